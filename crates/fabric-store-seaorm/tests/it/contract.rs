//! The contract that every store keeps.

use std::sync::Arc;

use fabric_domain::ports::{Publisher, Store};

use crate::databases::{self, Fresh};

macro_rules! contract_on {
    ($kind:ident) => {
        mod $kind {
            use super::*;

            async fn open(publisher: Arc<dyn Publisher>) -> (Arc<dyn Store>, Fresh) {
                let fresh = databases::$kind();
                (fresh.store(publisher).await, fresh)
            }

            fabric_testkit::store_contract_tests!(open);
        }
    };
}

contract_on!(sqlite);
contract_on!(mariadb);
contract_on!(postgres);
