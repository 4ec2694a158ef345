//! What was read off, round by round.

/// What a number counts, and in which unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::judge) struct Quantity {
    pub(in crate::judge) name: &'static str,
    /// Digits after the point.
    pub(in crate::judge) digits: usize,
}

impl Quantity {
    pub(in crate::judge) const fn new(name: &'static str, digits: usize) -> Self {
        Self { name, digits }
    }
}

/// One table of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::judge) struct Table {
    pub(in crate::judge) title: &'static str,
    /// What its cases are numbers of.
    pub(in crate::judge) of: &'static str,
}

/// Which number: of whom, of what, in which case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::judge) struct Key {
    pub(in crate::judge) table: Table,
    /// For example the number of sockets.
    pub(in crate::judge) case: String,
    pub(in crate::judge) target: String,
    pub(in crate::judge) quantity: Quantity,
}

/// All readings, in the order in which they first came.
#[derive(Debug, Default)]
pub(in crate::judge) struct Book {
    cells: Vec<(Key, Vec<f64>)>,
    /// What could not be measured, and why.
    pub(in crate::judge) failures: Vec<String>,
}

impl Book {
    pub(in crate::judge) fn note(&mut self, key: Key, value: f64) {
        match self.cells.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => self.cells.push((key, vec![value])),
        }
    }

    /// The median over the rounds.
    pub(in crate::judge) fn median(
        &self,
        table: Table,
        case: &str,
        target: &str,
        quantity: Quantity,
    ) -> Option<f64> {
        let mut values = self.values(table, case, target, quantity)?.to_vec();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        Some(if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        })
    }

    /// The largest over the smallest of the rounds.
    pub(in crate::judge) fn spread(
        &self,
        table: Table,
        case: &str,
        target: &str,
        quantity: Quantity,
    ) -> Option<f64> {
        let values = self.values(table, case, target, quantity)?;
        let (least, most) = values
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
        Some(most / least)
    }

    fn values(&self, table: Table, case: &str, target: &str, quantity: Quantity) -> Option<&[f64]> {
        let is_it = |key: &Key| {
            key.table == table && key.case == case && key.target == target && key.quantity == quantity
        };
        self.cells.iter().find(|(key, _)| is_it(key)).map(|(_, values)| values.as_slice())
    }

    /// The tables that there are numbers for.
    pub(in crate::judge) fn tables(&self) -> Vec<Table> {
        distinct(self.cells.iter().map(|(key, _)| key.table))
    }

    /// The cases of a table.
    pub(in crate::judge) fn cases(&self, table: Table) -> Vec<String> {
        distinct(self.of(table).map(|key| key.case.clone()))
    }

    /// The targets of a table.
    pub(in crate::judge) fn targets(&self, table: Table) -> Vec<String> {
        distinct(self.of(table).map(|key| key.target.clone()))
    }

    /// The quantities of a table.
    pub(in crate::judge) fn quantities(&self, table: Table) -> Vec<Quantity> {
        distinct(self.of(table).map(|key| key.quantity))
    }

    fn of(&self, table: Table) -> impl Iterator<Item = &Key> {
        self.cells.iter().map(|(key, _)| key).filter(move |key| key.table == table)
    }
}

/// Each once, in the order in which they first come.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut seen, one| {
        if !seen.contains(&one) {
            seen.push(one);
        }
        seen
    })
}
