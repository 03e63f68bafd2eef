//! Command-line arguments of the desktop program.

use std::{ffi::OsString, path::PathBuf};

/// The URL scheme of call links, with its colon.
pub const SCHEME: &str = "hutong:";

/// The parsed arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `--profile DIR`: the data directory of a separate profile.
    pub profile: Option<PathBuf>,
    /// `--activation-token=TOKEN`: the desktop's permission to come to the front. A second start passes it on.
    pub activation_token: Option<ActivationToken>,
    /// A call link to open, not validated yet.
    pub link: Option<String>,
    /// `--hidden`: how the window begins.
    pub window: InitialWindow,
}

/// How the window begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialWindow {
    /// In front.
    #[default]
    Shown,
    /// Hidden, or minimised where no tray could show it again: the system starts the app, not the person.
    Hidden,
}

/// A token by which the desktop lets a window come to the front: an X11 startup identifier (Startup Notification Protocol)
/// or a Wayland activation token (protocol xdg-activation-v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationToken(String);

impl ActivationToken {
    /// The maximum length, in bytes.
    pub const MAX_LENGTH: usize = 512;

    /// Checks a token; `None` unless it is printable ASCII of 1 to [`MAX_LENGTH`](Self::MAX_LENGTH) bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_token = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(text.to_owned()))
    }

    /// The token as an argument of the program.
    #[must_use]
    pub fn to_argument(&self) -> String {
        format!("{ACTIVATION_TOKEN}{}", self.0)
    }

    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The argument of a start by the system.
pub const HIDDEN: &str = "--hidden";

const ACTIVATION_TOKEN: &str = "--activation-token=";

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
            } else if let Some(token) = text.strip_prefix(ACTIVATION_TOKEN) {
                parsed.activation_token = ActivationToken::new(token);
            } else if text == HIDDEN {
                parsed.window = InitialWindow::Hidden;
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
        let link = Some("hutong://call/Ana".into());
        let both = Arguments { profile: Some("/a b".into()), link, ..Arguments::default() };
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
    fn only_the_argument_for_it_hides_the_window() {
        for (arguments, window) in [
            (&["--hidden"][..], InitialWindow::Hidden),
            (&["--profile", "/a", "--hidden"], InitialWindow::Hidden),
            (&["--profile", "--hidden"], InitialWindow::Shown),
            (&["hutong://call/Ana", "--hidden"], InitialWindow::Shown),
            (&["--Hidden"], InitialWindow::Shown),
        ] {
            assert_eq!(parse(arguments).unwrap().window, window, "{arguments:?}");
        }
    }

    #[test]
    fn an_activation_token_is_printable_ascii_and_never_behind_a_link() {
        let longest = "t".repeat(ActivationToken::MAX_LENGTH);
        for token in ["launcher/hutong/1-0-desktop_TIME123", &*longest] {
            let token = ActivationToken::new(token).unwrap();
            let parsed = parse(&[&token.to_argument(), "hutong://call/Ana"]).unwrap();
            assert_eq!(parsed.activation_token.as_ref(), Some(&token));
            assert!(parsed.link.is_some());
            let parsed = parse(&["hutong://call/Ana", &token.to_argument()]).unwrap();
            assert_eq!(parsed.activation_token, None);
        }
        for token in ["", "two words", "line\n", "令牌", &*format!("{longest}t")] {
            assert_eq!(parse(&[&format!("{ACTIVATION_TOKEN}{token}")]), Ok(Arguments::default()), "{token}");
        }
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
