//! When a new root becomes active on many nodes: only once every live node holds it.

use super::RootId;

/// What a live node's ring says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRing {
    /// The roots it holds.
    pub holds: Vec<RootId>,
    /// The one its ring file calls active.
    pub wants: RootId,
}

/// The root that should be active from now on, when it is another one than `active`: the highest-numbered that a node
/// wants and all live nodes hold. It never goes to a lower number, so nodes that still have the old file do not turn
/// it back.
#[must_use]
pub fn next_active(active: RootId, nodes: &[NodeRing]) -> Option<RootId> {
    let held_by_all = |root: &RootId| nodes.iter().all(|node| node.holds.contains(root));
    let wanted = nodes.iter().map(|node| node.wants).filter(held_by_all).max();
    wanted.filter(|root| *root > active)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(holds: &[u16], wants: u16) -> NodeRing {
        NodeRing { holds: holds.iter().copied().map(RootId).collect(), wants: RootId(wants) }
    }

    #[test]
    fn a_root_becomes_active_when_every_live_node_holds_it() {
        let next = |nodes: &[NodeRing]| next_active(RootId(1), nodes).map(|root| root.0);
        assert_eq!(next(&[node(&[1, 2], 2), node(&[1], 1)]), None, "one lacks it");
        assert_eq!(next(&[node(&[1, 2], 1), node(&[1, 2], 1)]), None, "nobody wants it");
        assert_eq!(next(&[node(&[1, 2], 2), node(&[1, 2], 1)]), Some(2));
        assert_eq!(next(&[node(&[1, 2, 3], 3), node(&[1, 2], 2)]), Some(2), "the highest that all hold");
        assert_eq!(next(&[]), None);
    }

    #[test]
    fn it_never_goes_back() {
        assert_eq!(next_active(RootId(2), &[node(&[1, 2], 1)]), None);
        assert_eq!(next_active(RootId(2), &[node(&[1, 2], 2)]), None);
    }
}
