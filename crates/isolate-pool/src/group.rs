use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tandem_contract::Program;

use crate::handle::Handle;

/// Names a version of a function.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) name: Arc<str>,
    pub(crate) hash: Arc<str>,
}

impl GroupKey {
    pub(crate) fn of(program: &Program) -> Self {
        Self { name: Arc::clone(&program.name), hash: Arc::clone(&program.hash) }
    }
}

/// The isolates of one version of a function.
#[derive(Default)]
pub(crate) struct Group {
    handles: ArcSwap<Vec<Arc<Handle>>>,
}

impl Group {
    /// Reserves a place in the isolate with the fewest invocations. `None` when all are full, or
    /// when the best is `behind` with its work and fewer than `most` isolates exist.
    pub(crate) fn enter(&self, concurrency: u32, most: usize, behind: Duration) -> Option<Arc<Handle>> {
        let handles = self.handles.load();
        let (load, best) = handles
            .iter()
            .filter_map(|handle| handle.load().map(|load| (load, handle)))
            .min_by_key(|(load, _)| *load)?;
        if load > 0 && handles.len() < most && best.is_behind(behind) {
            return None;
        }
        best.enter(concurrency).then(|| Arc::clone(best))
    }

    pub(crate) fn len(&self) -> usize {
        self.handles.load().iter().filter(|handle| !handle.is_retired()).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.handles.load().is_empty()
    }

    pub(crate) fn add(&self, handle: Arc<Handle>) {
        self.handles.rcu(|handles| {
            let mut handles = Vec::clone(handles);
            handles.push(Arc::clone(&handle));
            handles
        });
    }

    pub(crate) fn remove(&self, handle: &Arc<Handle>) {
        self.handles.rcu(|handles| {
            handles.iter().filter(|other| !Arc::ptr_eq(other, handle)).cloned().collect::<Vec<_>>()
        });
    }

    pub(crate) fn retire(&self) {
        for handle in self.handles.load().iter() {
            handle.retire();
        }
    }
}
