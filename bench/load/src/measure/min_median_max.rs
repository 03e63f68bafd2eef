//! Minimum, median and maximum of several runs.

use serde::{Deserialize, Serialize};

/// Minimum, median and maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MinMedianMax {
    /// Minimum.
    pub min: f64,
    /// Median; of an even number, the lower middle value.
    pub median: f64,
    /// Maximum.
    pub max: f64,
}

impl MinMedianMax {
    /// Summarizes the values; `None` without values.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = values.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let (min, max) = (*all.first()?, *all.last()?);
        Some(Self { min, median: all[(all.len() - 1) / 2], max })
    }
}
