//! Command-line arguments of the desktop program.

use std::{ffi::OsString, path::PathBuf};

/// The URL scheme of call links, with its colon.
pub const SCHEME: &str = "hutong:";

/// The parsed arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `--profile DIR`: the data directory of a separate profile.
    pub profile: Option<PathBuf>,
    /// A call link to open, not validated yet.
    pub link: Option<String>,
}

impl Arguments {
    /// Parses arguments; the program's name is not among them. Unknown arguments are ignored, because toolkits and
    /// operating systems add some.
    ///
    /// # Errors
    ///
    /// [`MissingProfileDirectory`] when `--profile` has no directory, or one glued on with `=` that is not UTF-8.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, MissingProfileDirectory> {
        let mut parsed = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_str().unwrap_or_default();
            if text == "--profile" {
                parsed.profile = Some(directory(arguments.next())?);
            } else if let Some(path) = text.strip_prefix("--profile=") {
                parsed.profile = Some(directory(Some(path.into()))?);
            } else if is_link(text) {
                parsed.link = Some(text.to_owned());
                // Windows inserts the link into a command line as text, so a quotation mark in a hostile link can add
                // arguments after it: they are ignored.
                break;
            } else if argument.as_encoded_bytes().starts_with(b"--profile=") {
                // Not UTF-8. Starting with the default profile instead would use the wrong data.
                return Err(MissingProfileDirectory);
            } else {
                tracing::warn!("unknown command-line argument; ignored");
            }
        }
        Ok(parsed)
    }
}

/// Error: `--profile` has no directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--profile needs a directory: --profile DIR")]
pub struct MissingProfileDirectory;

fn directory(named: Option<OsString>) -> Result<PathBuf, MissingProfileDirectory> {
    named.filter(|path| !path.is_empty()).map(PathBuf::from).ok_or(MissingProfileDirectory)
}

fn is_link(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, MissingProfileDirectory> {
        Arguments::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn profile_and_link_are_parsed_and_other_arguments_are_ignored() {
        let both = Arguments { profile: Some("/a b".into()), link: Some("hutong://call/Ana".into()) };
        for arguments in [
            &["--profile", "/a b", "hutong://call/Ana"][..],
            &["--profile=/a b", "hutong://call/Ana"],
            &["--other", "--profile", "/x", "--profile", "/a b", "-psn_0_1", "hutong://call/Ana"],
            &["--profile", "/a b", "hutong://call/Ana", "--profile=//evil/share", "hutong://call/Bo"],
        ] {
            assert_eq!(parse(arguments).as_ref(), Ok(&both), "{arguments:?}");
        }
        assert_eq!(parse(&[]), Ok(Arguments::default()));
        let upper_case = parse(&["HUTONG://call/Ana"]).unwrap();
        assert_eq!(upper_case.link.as_deref(), Some("HUTONG://call/Ana"));
        assert_eq!(parse(&["https://calls.example", "互通:"]), Ok(Arguments::default()));
    }

    #[test]
    fn a_profile_without_a_directory_is_an_error() {
        for arguments in [&["--profile"][..], &["--profile="], &["--profile", ""]] {
            assert_eq!(parse(arguments), Err(MissingProfileDirectory), "{arguments:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_profile_directory_need_not_be_utf8_as_a_separate_argument() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(vec![b'/', 0xff]);
        let parsed = Arguments::parse(["--profile".into(), name.clone()]).unwrap();
        assert_eq!(parsed.profile, Some(name.into()));
        let glued = OsString::from_vec(b"--profile=/\xff".to_vec());
        assert_eq!(Arguments::parse([glued]), Err(MissingProfileDirectory));
    }
}
