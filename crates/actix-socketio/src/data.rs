//! What an application attaches to a socket.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

/// One value per type. Clones share the values.
#[derive(Clone, Default)]
pub(crate) struct Data {
    values: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Data {
    pub(crate) fn set<T: Any + Send + Sync>(&mut self, value: T) {
        self.values.retain(|(kind, _)| *kind != TypeId::of::<T>());
        self.values.push((TypeId::of::<T>(), Arc::new(value)));
    }

    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let (_, value) = self.values.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }
}
