//! Which plots there are.

use super::{
    goals::{MEMORY, SET_UP},
    plot::{Bars, Line, Lines},
};
use crate::{
    measure::{Found, Idle, Storm},
    server::Subject,
};

/// Name, words for who does not see it, and the picture.
pub(super) fn all(found: &Found) -> Vec<(&'static str, &'static str, String)> {
    let pictures = [
        ("storm", "Server CPU of login storms, by users", storms(&found.storms).svg()),
        ("memory", "Server memory for an idle user", memory(&found.idle).svg()),
        ("calls", "Slowest hundredth of call set-ups, by calls a second", calls(found).svg()),
    ];
    pictures.into_iter().filter_map(|(name, words, svg)| Some((name, words, svg?))).collect()
}

fn storms(storms: &[Storm]) -> Lines {
    let line = |subject: Subject| {
        let of = storms.iter().filter(|storm| storm.subject == subject);
        Line {
            name: subject.words().to_owned(),
            points: of.map(|it| (f64::from(it.users), it.processor.median)).collect(),
        }
    };
    Lines {
        title: "Everybody logs in at once".to_owned(),
        horizontal: "users".to_owned(),
        vertical: "seconds of the server's processor".to_owned(),
        goal: None,
        lines: drawn(
            [
                Subject::OursWhole,
                Subject::Old,
                Subject::Ours,
                Subject::MatchboxMesh,
                Subject::OursWholeTls,
                Subject::Floor,
            ]
            .map(line),
        ),
    }
}

fn memory(idle: &[Idle]) -> Bars {
    let subjects =
        [Subject::Ours, Subject::OursTls, Subject::Old, Subject::PeerJs, Subject::MatchboxHost, Subject::Floor];
    let group = |subject: Subject| {
        let of = idle.iter().filter(|it| it.subject == subject);
        let bars: Vec<(String, f64)> = of
            .map(|it| {
                let kibibytes = it.pss / 1_024.0;
                (format!("{kibibytes:.1} at {}", it.users), kibibytes)
            })
            .collect();
        (subject.words().to_owned(), bars)
    };
    Bars {
        title: "Memory for an idle user".to_owned(),
        unit: "KiB of the server's memory (PSS)".to_owned(),
        goal: Some((MEMORY.1 / 1_024.0, "to reach: 4 KiB".to_owned())),
        groups: subjects.map(group).into_iter().filter(|(_, bars)| !bars.is_empty()).collect(),
    }
}

fn calls(found: &Found) -> Lines {
    let line = |subject: Subject| {
        let ladder = found.calls.iter().find(|ladder| ladder.subject == subject);
        let online = ladder.map_or(0, |ladder| ladder.online);
        Line {
            name: format!("{} ({online} online)", subject.words()),
            points: ladder.map_or(Vec::new(), |it| it.rungs.iter().map(|rung| (rung.rate, rung.p99.median)).collect()),
        }
    };
    Lines {
        title: "Call set-ups at rising rates: 99 of 100 are faster".to_owned(),
        horizontal: "calls a second".to_owned(),
        vertical: "milliseconds".to_owned(),
        goal: Some((SET_UP.1, "to reach: 5 ms at 1000".to_owned())),
        lines: drawn(
            [Subject::Ours, Subject::Old, Subject::OursTls, Subject::MatchboxMesh, Subject::PeerJs, Subject::Floor]
                .map(line),
        ),
    }
}

fn drawn(lines: [Line; 6]) -> Vec<Line> {
    lines.into_iter().filter(|line| !line.points.is_empty()).collect()
}
