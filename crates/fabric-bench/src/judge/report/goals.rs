//! What is to be reached, and whether it was.

use super::book::{Book, Quantity, Table};
use crate::judge::measures::quantities as of;

/// What a measured number is held against.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A goal and what was measured.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) goal: String,
    pub(super) measured: Option<f64>,
    bound: Bound,
}

impl Verdict {
    pub(super) fn is_met(&self) -> Option<bool> {
        self.measured.map(|measured| match self.bound {
            Bound::AtLeast(bound) => measured >= bound,
            Bound::AtMost(bound) => measured <= bound,
        })
    }

    pub(super) fn bound(&self) -> String {
        match self.bound {
            Bound::AtLeast(bound) => format!("at least {bound}"),
            Bound::AtMost(bound) => format!("at most {bound}"),
        }
    }
}

/// All goals, as far as a build of ours of this name goes.
pub(super) fn verdicts(book: &Book, ours: &str) -> Vec<Verdict> {
    let judge = Judge { book, ours };
    let mut all = Vec::new();
    let mut goal =
        |goal: String, measured: Option<f64>, bound: Bound| all.push(Verdict { goal, measured, bound });

    for (posters, bound) in [("1", 1.2), ("16", 3.0), ("64", 5.0)] {
        goal(
            format!("durable posts/s on SQLite, {posters} posting, to the npm peer's"),
            judge.ratio(of::POSTS, posters, of::POSTS_PER_SECOND, ours, "node"),
            Bound::AtLeast(bound),
        );
    }
    for posters in ["1", "16", "64"] {
        goal(
            format!("durable posts/s on MariaDB, {posters} posting, to the NestJS peer's"),
            judge.ratio(of::POSTS, posters, of::POSTS_PER_SECOND, &format!("{ours}-mariadb"), "nest"),
            Bound::AtLeast(10.0),
        );
    }
    for (sockets, quantity, in_flight, bound) in [
        ("1000", of::EIGHT, 8, 0.6),
        ("100", of::EIGHT, 8, 0.4),
        ("1000", of::ONE, 1, 0.8),
        ("100", of::ONE, 1, 0.5),
    ] {
        goal(
            format!("deliveries/s to {sockets} sockets, {in_flight} in flight, to the bare loop's"),
            judge.ratio(of::FAN_OUT, sockets, quantity, ours, "bare"),
            Bound::AtLeast(bound),
        );
    }
    for (quantity, name) in [(of::MEDIAN, "p50"), (of::SLOWEST, "p99")] {
        goal(
            format!("{name} of post to receipt, to the npm peer's, wherever it is worst"),
            judge.worst_ratio(of::FAN_OUT, quantity, "node"),
            Bound::AtMost(1.0),
        );
        goal(
            format!("{name} of post to receipt at 1000 sockets, to the bare loop's"),
            judge.ratio(of::FAN_OUT, "1000", quantity, ours, "bare"),
            Bound::AtMost(1.5),
        );
    }
    let read = |table, case: &str, quantity| book.median(table, case, ours, quantity);
    goal("KiB an idle socket, at 10000".into(), read(of::FAN_OUT, "10000", of::MEMORY), Bound::AtMost(12.0));
    goal("ms from start to ready".into(), read(of::START, of::EXISTING, of::READY), Bound::AtMost(50.0));
    goal("MiB when idle".into(), read(of::START, of::EXISTING, of::RESIDENT), Bound::AtMost(20.0));
    goal(
        "growth of the cost of a delivery from 100 to 10000 sockets, to the bare loop's".into(),
        judge.growth(ours).zip(judge.growth("bare")).map(|(ours, bare)| ours / bare),
        Bound::AtMost(1.0),
    );
    for posters in ["1", "16"] {
        let rate = |members: &str| {
            read(of::MEMBERS, &format!("{members} members, {posters} posting"), of::POSTS_PER_SECOND)
        };
        goal(
            format!("durable posts/s in a channel of 10000 members to one of 10, {posters} posting"),
            rate("10000").zip(rate("10")).map(|(many, few)| many / few),
            Bound::AtLeast(0.9),
        );
    }
    all
}

struct Judge<'a> {
    book: &'a Book,
    ours: &'a str,
}

impl Judge<'_> {
    fn ratio(&self, table: Table, case: &str, quantity: Quantity, one: &str, other: &str) -> Option<f64> {
        let read = |target| self.book.median(table, case, target, quantity);
        Some(read(one)? / read(other)?)
    }

    fn worst_ratio(&self, table: Table, quantity: Quantity, other: &str) -> Option<f64> {
        let cases = self.book.cases(table);
        let ratios = cases.iter().filter_map(|case| self.ratio(table, case, quantity, self.ours, other));
        ratios.max_by(f64::total_cmp)
    }

    fn growth(&self, target: &str) -> Option<f64> {
        let cost = |sockets| self.book.median(of::FAN_OUT, sockets, target, of::EIGHT_CPU);
        Some(cost("10000")? / cost("100")?)
    }
}
