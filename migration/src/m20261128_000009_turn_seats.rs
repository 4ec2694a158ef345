//! Who sits where in a turn moves from the document of the turn into a table of its own: it is as large as the channel
//! and seldom changes, while the rest is small and changes with every post. A column would not do: `SQLite` writes a row
//! as a whole.
//!
//! The rest then says by their seats who has declined, where it named them before.

use fabric_domain::rules::turn::TurnState;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;
use serde_json::Value;

use crate::columns::Dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261128_000009_turn_seats"
    }
}

/// The most channels whose states are in memory at once.
const BATCH: usize = 100;

#[derive(DeriveIden)]
enum TurnSeats {
    Table,
    ChannelId,
    Seats,
}

#[derive(DeriveIden)]
enum Channels {
    Table,
    Id,
    Turn,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager).await?;
        let table = dialect
            .table(TurnSeats::Table)
            .col(dialect.id(TurnSeats::ChannelId).primary_key())
            .col(dialect.long(TurnSeats::Seats))
            .take();
        manager.create_table(table).await?;
        let (db, mut after) = (manager.get_connection(), String::new());
        loop {
            let rows = turns(db, &after).await?;
            for row in &rows {
                after = row.try_get("", "id")?;
                take_apart(db, &after, row).await?;
            }
            if rows.len() < BATCH {
                return Ok(());
            }
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_table("turn_seats").await? {
            return Ok(());
        }
        let (db, mut after) = (manager.get_connection(), String::new());
        loop {
            let rows = turns(db, &after).await?;
            for row in &rows {
                after = row.try_get("", "id")?;
                put_together(db, &after, row).await?;
            }
            if rows.len() < BATCH {
                break;
            }
        }
        manager.drop_table(Table::drop().table(TurnSeats::Table).if_exists().take()).await
    }
}

/// The turns of the next channels.
async fn turns(db: &impl ConnectionTrait, after: &str) -> Result<Vec<QueryResult>, DbErr> {
    let mut select = Query::select();
    select
        .columns([Channels::Id, Channels::Turn])
        .from(Channels::Table)
        .and_where(Expr::col(Channels::Id).gt(after))
        .and_where(Expr::col(Channels::Turn).is_not_null())
        .order_by(Channels::Id, Order::Asc)
        .limit(BATCH as u64);
    db.query_all(&select).await
}

/// What cannot be read stays as it is, for whoever looks into it; so does what a run that broke off has done already.
/// The engine says what the parts are. A later edition that stores another form must leave this migration a copy of
/// today's.
async fn take_apart(db: &impl ConnectionTrait, id: &str, row: &QueryResult) -> Result<(), DbErr> {
    let Ok(turn) = serde_json::from_str::<Value>(&row.try_get::<String>("", "turn")?) else { return Ok(()) };
    let Ok(state) = serde_json::from_value::<TurnState>(turn["state"].clone()) else { return Ok(()) };
    let mut delete = Query::delete();
    delete.from_table(TurnSeats::Table).and_where(Expr::col(TurnSeats::ChannelId).eq(id));
    db.execute(&delete).await?;
    let mut insert = Query::insert();
    insert
        .into_table(TurnSeats::Table)
        .columns([TurnSeats::ChannelId, TurnSeats::Seats])
        .values_panic([id.into(), json(state.seats())?.to_string().into()]);
    db.execute(&insert).await?;
    write(db, id, turn, json(&state.floor())?).await
}

async fn put_together(db: &impl ConnectionTrait, id: &str, row: &QueryResult) -> Result<(), DbErr> {
    let mut select = Query::select();
    select.column(TurnSeats::Seats).from(TurnSeats::Table).and_where(Expr::col(TurnSeats::ChannelId).eq(id));
    let Some(seats) = db.query_one(&select).await? else { return Ok(()) };
    let seats = serde_json::from_str(&seats.try_get::<String>("", "seats")?);
    let turn = serde_json::from_str::<Value>(&row.try_get::<String>("", "turn")?);
    let (Ok(seats), Ok(turn)) = (seats, turn) else { return Ok(()) };
    let Ok(floor) = serde_json::from_value(turn["state"].clone()) else { return Ok(()) };
    let Ok(state) = TurnState::seated(seats, floor) else { return Ok(()) };
    write(db, id, turn, json(&state)?).await
}

async fn write(db: &impl ConnectionTrait, id: &str, mut turn: Value, state: Value) -> Result<(), DbErr> {
    turn["state"] = state;
    let mut update = Query::update();
    update
        .table(Channels::Table)
        .value(Channels::Turn, turn.to_string())
        .and_where(Expr::col(Channels::Id).eq(id));
    db.execute(&update).await?;
    Ok(())
}

fn json(value: &impl Serialize) -> Result<Value, DbErr> {
    serde_json::to_value(value).map_err(|error| DbErr::Json(error.to_string()))
}
