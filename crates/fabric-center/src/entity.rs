//! The tables. Instants are milliseconds since 1970; ids and hashes are text: every database can do that.

pub(crate) mod user {
    //! People and agents.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        /// As it was given.
        pub(crate) email: String,
        /// In lower case; unique.
        pub(crate) email_key: String,
        pub(crate) name: String,
        /// Argon2id, PHC string.
        pub(crate) password_hash: String,
        pub(crate) disabled_at: Option<i64>,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod api_key {
    //! Keys with which agents sign in.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) user_id: String,
        pub(crate) label: String,
        /// SHA-256; unique.
        pub(crate) key_hash: String,
        pub(crate) created_at: i64,
        pub(crate) revoked_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod session {
    //! One sign-in on one device: the family of its refresh tokens.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) user_id: String,
        /// The key of an agent's session.
        pub(crate) api_key_id: Option<String>,
        pub(crate) created_at: i64,
        /// When its newest refresh token ends.
        pub(crate) expires_at: i64,
        pub(crate) revoked_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod refresh_token {
    //! Spent ones are kept until they expire, so that their second use is noticed.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refresh_tokens")]
    pub(crate) struct Model {
        /// SHA-256.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_hash: String,
        pub(crate) session_id: String,
        pub(crate) expires_at: i64,
        pub(crate) used_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod node {
    //! Guild nodes.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "nodes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) name: String,
        pub(crate) endpoint: String,
        pub(crate) status: String,
        pub(crate) purpose: Option<String>,
        /// Whether anybody may join.
        pub(crate) is_open: bool,
        /// SHA-256; unique.
        pub(crate) key_hash: String,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod membership {
    //! Who has joined which guild.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "memberships")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) node_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: String,
        pub(crate) created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod setting {
    //! What Center remembers of itself.

    use sea_orm::entity::prelude::*;

    /// Signs the tokens, where none is configured.
    pub(crate) const JWT_SECRET: &str = "jwt_secret";
    /// The admin's user id. One row, so there is one admin at most, whatever happens.
    pub(crate) const ADMIN: &str = "admin_user_id";

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "settings")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) value: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod audit_entry {
    //! Who changed what.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_log")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) at: i64,
        /// `operator`, `loopback`, `anonymous`, `user:<id>` or `node:<id>`.
        pub(crate) actor: String,
        /// `user.created`, …
        pub(crate) action: String,
        /// Id of what was changed.
        pub(crate) target: String,
        /// More about it, never a secret.
        pub(crate) detail: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
