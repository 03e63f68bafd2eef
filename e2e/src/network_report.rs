//! Record of how clients connected over an emulated internet, and the table of all records.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Context, Result, paths};

/// Folder in the target directory with one file for each record.
const FOLDER: &str = "e2e-networks";

/// Environment variable: the folder of documents, to write the table there too.
const DOCUMENTS: &str = "HUTONG_DOCS";

/// File name of the table.
const TABLE: &str = "NETWORKS.md";

/// Which clients were in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientPair {
    /// Chromium with Chromium.
    Chromium,
    /// The Linux app with Chromium.
    App,
}

/// How two clients connected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Position in the table.
    pub row: u32,
    /// Name of the pair of networks.
    pub networks: String,
    /// Which clients.
    pub clients: ClientPair,
    /// How packets travelled, as the call's details say: of the caller on the left, and of the other.
    pub shown_paths: [String; 2],
    /// Milliseconds from the pressed button until media arrived on both sides.
    pub set_up_ms: u64,
}

impl NetworkRecord {
    /// Saves the record and writes the table of all records anew.
    ///
    /// # Errors
    ///
    /// Returns an error when a file cannot be read or written.
    pub fn save(&self) -> Result<()> {
        let folder = paths::create_target_dir(FOLDER)?;
        let name = format!("{:02}-{:?}.json", self.row, self.clients).to_lowercase();
        fs::write(folder.join(name), serde_json::to_string_pretty(self)?)?;
        let table = table(&read_all(&folder)?);
        let documents = std::env::var_os(DOCUMENTS).map(PathBuf::from);
        for folder in documents.into_iter().chain([folder]) {
            let file = folder.join(TABLE);
            fs::write(&file, &table).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}

fn read_all(folder: &Path) -> Result<Vec<NetworkRecord>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path)?;
            records.push(serde_json::from_str(&text).with_context(|| path.display().to_string())?);
        }
    }
    Ok(records)
}

const HEAD: &str = "\
# Who connects how

Written by `cargo xtask networks`, from calls over emulated networks (`e2e/tests/it/reach_anyone.rs`): two home networks, each behind
its own gateway, and the server on the internet with its defaults. The person on the left calls, with Chromium or the Linux app; the
person on the right answers in Chromium. NATs have their names of RFC 3489. Each entry has the time from the answer until video and
audio arrived on both sides, of the second call after the program's start, and the path of the media as the details of the call show
it: on the left and, if it differs, on the right. All programs ran on one machine with two processors; the app is a debug build.

| networks | Chromium with Chromium | Linux app with Chromium |
| --- | --- | --- |
";

fn table(records: &[NetworkRecord]) -> String {
    let mut rows: BTreeMap<u32, BTreeMap<ClientPair, &NetworkRecord>> = BTreeMap::new();
    for record in records {
        rows.entry(record.row).or_default().insert(record.clients, record);
    }
    let mut text = HEAD.to_owned();
    for row in rows.values() {
        let networks = row.values().next().map(|record| record.networks.as_str()).unwrap_or_default();
        let cell = |clients| row.get(&clients).map_or_else(|| "not tested".to_owned(), |record| describe(record));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {networks} | {} | {} |", cell(ClientPair::Chromium), cell(ClientPair::App));
    }
    text
}

fn describe(record: &NetworkRecord) -> String {
    let seconds = Duration::from_millis(record.set_up_ms).as_secs_f32();
    match &record.shown_paths {
        [left, right] if left == right => format!("{seconds:.1} s: {left}"),
        [left, right] => format!("{seconds:.1} s: {left}; {right}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_pair_of_networks_in_order() {
        let record = |row, networks: &str, clients, shown: [&str; 2], set_up_ms| NetworkRecord {
            row,
            networks: networks.to_owned(),
            clients,
            shown_paths: shown.map(str::to_owned),
            set_up_ms,
        };
        let (direct, relayed) = (["Direct, over UDP"; 2], ["Relayed, over TCP", "Relayed by the other side"]);
        let records = [
            record(12, "symmetric, symmetric", ClientPair::Chromium, relayed, 1_249),
            record(2, "full cone, full cone", ClientPair::App, direct, 600),
            record(2, "full cone, full cone", ClientPair::Chromium, direct, 850),
        ];
        let expected = "\
| full cone, full cone | 0.9 s: Direct, over UDP | 0.6 s: Direct, over UDP |
| symmetric, symmetric | 1.2 s: Relayed, over TCP; Relayed by the other side | not tested |
";
        assert_eq!(table(&records).strip_prefix(HEAD), Some(expected));
    }
}
