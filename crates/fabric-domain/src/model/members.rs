//! The members of a channel.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::UserId;

/// A user with a row in `channel_members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// On duty (`triage`) or listening (`custom`): the wake mapping is a property of members, so it can
    /// never name somebody who would not hear.
    pub wake_mapped: bool,
}

impl Member {
    /// A member who is not on the wake mapping.
    pub fn new(user_id: UserId) -> Self {
        Self { user_id, wake_mapped: false }
    }
}

/// The members of a channel, each once, in the order in which they came.
///
/// Looking somebody up, adding and removing them takes the same time in a channel of ten and of ten thousand. Two of
/// these are equal when they have the same members in the same order; positions only say which order that is.
#[derive(Clone, Default)]
pub struct Members {
    places: HashMap<UserId, u64>,
    by_place: BTreeMap<u64, Member>,
    wake_mapped: BTreeSet<u64>,
}

impl Members {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Whether this user is one.
    pub fn contains(&self, user: &UserId) -> bool {
        self.places.contains_key(user)
    }

    /// The member that this user is.
    pub fn get(&self, user: &UserId) -> Option<&Member> {
        self.by_place.get(self.places.get(user)?)
    }

    /// A number that grows in the order in which they came; not necessarily by one.
    pub fn position(&self, user: &UserId) -> Option<u64> {
        self.places.get(user).copied()
    }

    /// The position that the next new member gets.
    pub fn next_position(&self) -> u64 {
        self.by_place.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Member> + Clone {
        self.by_place.values()
    }

    /// All of them, in order.
    pub fn users(&self) -> impl DoubleEndedIterator<Item = &UserId> + Clone {
        self.iter().map(|member| &member.user_id)
    }

    /// Those on the wake mapping, in order.
    pub fn wake_mapped(&self) -> impl Iterator<Item = &UserId> + Clone {
        self.wake_mapped.iter().filter_map(|place| self.by_place.get(place)).map(|member| &member.user_id)
    }

    /// Adds a member at the end; who is one already keeps their place.
    pub fn upsert(&mut self, member: Member) {
        let place = self.position(&member.user_id).unwrap_or_else(|| self.next_position());
        self.put(place, member);
    }

    /// Puts a member at a position, as a store has them. Whoever had it before is no member any more.
    pub fn insert_at(&mut self, position: u64, member: Member) {
        self.remove(&member.user_id);
        if let Some(former) = self.by_place.get(&position) {
            self.places.remove(&former.user_id);
        }
        self.put(position, member);
    }

    /// Removes a member. False when the user was none.
    pub fn remove(&mut self, user: &UserId) -> bool {
        let Some(place) = self.places.remove(user) else { return false };
        self.wake_mapped.remove(&place);
        self.by_place.remove(&place).is_some()
    }

    fn put(&mut self, place: u64, member: Member) {
        if member.wake_mapped {
            self.wake_mapped.insert(place);
        } else {
            self.wake_mapped.remove(&place);
        }
        self.places.insert(member.user_id.clone(), place);
        self.by_place.insert(place, member);
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Members {}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<Member> for Members {
    /// In this order. Who is named twice is one member, as the last one says.
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        let mut all = Self::default();
        all.extend(members);
        all
    }
}

impl Extend<Member> for Members {
    fn extend<I: IntoIterator<Item = Member>>(&mut self, members: I) {
        for member in members {
            self.upsert(member);
        }
    }
}

impl<const N: usize> From<[Member; N]> for Members {
    fn from(members: [Member; N]) -> Self {
        members.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a Member;
    type IntoIter = std::collections::btree_map::Values<'a, u64, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_place.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(members: &Members) -> Vec<&str> {
        members.users().map(UserId::as_str).collect()
    }

    fn mapped(name: &str) -> Member {
        Member { wake_mapped: true, ..Member::new(name.into()) }
    }

    #[test]
    fn members_stay_in_the_order_in_which_they_came() {
        let mut members: Members = ["a", "b", "c"].map(|name| Member::new(name.into())).into();
        members.upsert(mapped("b"));
        assert!(members.remove(&"a".into()) && !members.remove(&"a".into()));
        members.upsert(Member::new("a".into()));
        assert_eq!(names(&members), ["b", "c", "a"]);
        assert_eq!(members.position(&"a".into()), Some(3));
        assert!(members.contains(&"c".into()) && members.get(&"b".into()).unwrap().wake_mapped);
    }

    #[test]
    fn the_wake_mapping_follows_its_members() {
        let mut members: Members = [mapped("a"), Member::new("b".into()), mapped("c")].into();
        let wake_mapped =
            |members: &Members| -> Vec<String> { members.wake_mapped().map(UserId::to_string).collect() };
        assert_eq!(wake_mapped(&members), ["a", "c"]);
        members.upsert(Member::new("a".into()));
        members.upsert(mapped("b"));
        members.remove(&"c".into());
        assert_eq!(wake_mapped(&members), ["b"]);
    }

    #[test]
    fn a_position_holds_one_member_and_a_member_has_one_position() {
        let mut members = Members::default();
        members.insert_at(7, mapped("a"));
        members.insert_at(3, Member::new("b".into()));
        members.insert_at(7, Member::new("c".into()));
        members.insert_at(9, Member::new("b".into()));
        assert_eq!(names(&members), ["c", "b"]);
        assert_eq!((members.len(), members.next_position()), (2, 10));
        assert!(!members.contains(&"a".into()) && members.wake_mapped().next().is_none());
    }

    #[test]
    fn only_the_order_counts_when_members_are_compared() {
        let mut gaps = Members::default();
        gaps.insert_at(4, Member::new("a".into()));
        gaps.insert_at(9, Member::new("b".into()));
        let dense: Members = ["a", "b"].map(|name| Member::new(name.into())).into();
        assert_eq!(gaps, dense);
        assert_ne!(gaps, ["b", "a"].map(|name| Member::new(name.into())).into());
        assert_ne!(gaps, [Member::new("a".into()), mapped("b")].into());
    }
}
