//! Table `channels`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "channels")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub guild_id: String,
    pub name: String,
    pub x_type: String,
    pub purpose: Option<String>,
    pub is_public: bool,
    pub closed: bool,
    pub last_seq: i64,
    pub created_by: String,
    pub created_at: i64,
    pub settings: String,
    pub version: i64,
    pub agent_run: i64,
    /// All of the turn but its seats, which are in `turn_seats`.
    pub turn: Option<String>,
    /// A copy of the turn's own deadline, to be found by it.
    pub turn_deadline: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
