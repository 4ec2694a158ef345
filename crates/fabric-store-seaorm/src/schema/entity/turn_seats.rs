//! Table `turn_seats`: who sits where in a channel with turns. Beside the channel's row, which is written with every
//! post.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "turn_seats")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel_id: String,
    pub seats: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
