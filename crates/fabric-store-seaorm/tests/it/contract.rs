//! The contract that every store keeps.

use std::sync::Arc;

use fabric_domain::ports::{Publisher, Store};

use crate::databases::{self, Fresh};
use crate::stepped::Stepped;

macro_rules! search_contract_on {
    ($kind:ident, $phase:ident, $step:expr) => {
        mod $phase {
            use super::*;

            async fn open(publisher: Arc<dyn Publisher>) -> (Arc<dyn Store>, Fresh) {
                let fresh = databases::$kind();
                (Stepped::open(&fresh, publisher, $step).await, fresh)
            }

            fabric_testkit::search_contract_tests!(open);
        }
    };
}

macro_rules! contract_on {
    ($kind:ident) => {
        mod $kind {
            use super::*;

            async fn open(publisher: Arc<dyn Publisher>) -> (Arc<dyn Store>, Fresh) {
                let fresh = databases::$kind();
                (fresh.store(publisher).await, fresh)
            }

            fabric_testkit::store_contract_tests!(open);

            /// Searching, wherever the index is behind what was stored.
            mod search {
                use super::*;

                search_contract_on!($kind, nothing_is_indexed, 0);
                search_contract_on!($kind, two_messages_are_indexed_at_each_search, 2);
                search_contract_on!($kind, all_is_indexed_at_each_search, usize::MAX);
            }
        }
    };
}

contract_on!(sqlite);
contract_on!(mariadb);
contract_on!(postgres);
