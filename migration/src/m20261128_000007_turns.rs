//! Turn states of the second edition of the rules (spec/2 section 3): `lastAuthor`, `declined` and `summoned`
//! where the first had `round` and `passStreak`.
//!
//! The engine reads both, so what is rewritten here could also wait for a channel's next change; but a binary
//! of the first edition cannot read the second, and must find a schema that it refuses.

use fabric_domain::rules::turn::TurnState;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;
use serde_json::{Value, json};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261128_000007_turns"
    }
}

/// The most channels whose states are in memory at once.
const BATCH: usize = 100;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        rewrite(db, second_edition).await?;
        wake_the_unwoken(db).await
    }

    /// Running turns keep their speaker and their frames; who was summoned how often is forgotten.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        rewrite(manager.get_connection(), first_edition).await
    }
}

/// Rewrites every stored turn state. What cannot be read stays as it is, for whoever looks into it.
async fn rewrite(db: &impl ConnectionTrait, edit: fn(&Value) -> Option<Value>) -> Result<(), DbErr> {
    let mut after = String::new();
    loop {
        let mut select = Query::select();
        select
            .columns([Channels::Id, Channels::Turn])
            .from(Channels::Table)
            .and_where(Expr::col(Channels::Id).gt(after.as_str()))
            .and_where(Expr::col(Channels::Turn).is_not_null())
            .order_by(Channels::Id, Order::Asc)
            .limit(BATCH as u64);
        let rows = db.query_all(&select).await?;
        for row in &rows {
            after = row.try_get("", "id")?;
            let Ok(mut turn) = serde_json::from_str::<Value>(&row.try_get::<String>("", "turn")?) else {
                continue;
            };
            let Some(state) = turn.get("state").and_then(edit) else { continue };
            turn["state"] = state;
            let mut update = Query::update();
            update
                .table(Channels::Table)
                .value(Channels::Turn, turn.to_string())
                .and_where(Expr::col(Channels::Id).eq(after.as_str()));
            db.execute(&update).await?;
        }
        if rows.len() < BATCH {
            return Ok(());
        }
    }
}

/// The first edition could hand somebody the floor with their own message, which woke nobody. Such a turn gets the
/// newest message of somebody else as its wake, and so its speaker is woken when they join.
async fn wake_the_unwoken(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut running = Query::select();
    running
        .columns([Channels::Id, Channels::Turn])
        .from(Channels::Table)
        .and_where(Expr::col(Channels::Turn).like("%\"wake_seq\":null%"));
    for row in db.query_all(&running).await? {
        let id: String = row.try_get("", "id")?;
        let Ok(mut turn) = serde_json::from_str::<Value>(&row.try_get::<String>("", "turn")?) else {
            continue;
        };
        let Ok(state) = serde_json::from_value::<TurnState>(turn["state"].clone()) else { continue };
        let Some(speaker) = state.active() else { continue };
        let mut newest = Query::select();
        newest
            .expr_as(Expr::col(Messages::Seq).max(), "seq")
            .from(Messages::Table)
            .and_where(Expr::col(Messages::ChannelId).eq(id.as_str()))
            .and_where(Expr::col(Messages::Author).ne(speaker.as_str()));
        let Some(row) = db.query_one(&newest).await? else { continue };
        let Some(seq) = row.try_get::<Option<i64>>("", "seq")? else { continue };
        turn["wake_seq"] = seq.into();
        let mut update = Query::update();
        update
            .table(Channels::Table)
            .value(Channels::Turn, turn.to_string())
            .and_where(Expr::col(Channels::Id).eq(id.as_str()));
        db.execute(&update).await?;
    }
    Ok(())
}

#[derive(DeriveIden)]
enum Messages {
    Table,
    ChannelId,
    Author,
    Seq,
}

#[derive(DeriveIden)]
enum Channels {
    Table,
    Id,
    Turn,
}

/// The engine says what it makes of a state. A later edition that stores another form must leave this migration a copy
/// of today's.
fn second_edition(state: &Value) -> Option<Value> {
    let state: TurnState = serde_json::from_value(state.clone()).ok()?;
    serde_json::to_value(state).ok()
}

/// A conversation since the last message, told as a round of the first edition.
fn first_edition(state: &Value) -> Option<Value> {
    let mut former = state.as_object()?.clone();
    let last_author = former.remove("lastAuthor").filter(|author| in_order(state, author));
    let declined = former.remove("declined");
    let declined: Vec<&Value> = declined.iter().filter_map(Value::as_array).flatten().collect();
    former.remove("summoned");
    let spoke = last_author.iter().map(|user| json!({ "user": user, "act": "spoke" }));
    let passed = declined.iter().map(|user| json!({ "user": user, "act": "passed" }));
    former.insert("round".to_owned(), spoke.chain(passed).collect());
    former.insert("passStreak".to_owned(), declined.len().into());
    Some(former.into())
}

fn in_order(state: &Value, user: &Value) -> bool {
    state["order"].as_array().is_some_and(|order| order.contains(user))
}
