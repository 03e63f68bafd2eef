//! Launch context: the profile, the call link and the window of this start, from arguments and environment.

use std::{ffi::OsString, io, path::PathBuf};

use crate::{
    arguments::{Arguments, InitialWindow, MissingProfileDirectory},
    profile::Profile,
    session_file::SessionFile,
};

/// The environment variable with the profile's directory; `--profile` overrides it.
const PROFILE_VARIABLE: &str = "HUTONG_DATA_DIR";

/// The profile, the call link and the window that the app was started with.
#[derive(Debug, Default)]
pub struct LaunchContext {
    profile: Option<Profile>,
    link: Option<String>,
    window: InitialWindow,
}

/// Error: the app cannot start with these arguments or this environment.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// `--profile` has no directory.
    #[error(transparent)]
    Arguments(#[from] MissingProfileDirectory),
    /// The profile's directory cannot be used.
    #[error("cannot create or lock the profile directory {}: {source}", .directory.display())]
    Profile {
        /// The directory as given.
        directory: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
}

impl LaunchContext {
    /// Reads the arguments and the environment of this process. On phones there are none, and the context is empty.
    ///
    /// # Errors
    ///
    /// When the arguments are invalid, or the profile's directory cannot be used.
    pub fn read() -> Result<Self, LaunchError> {
        if cfg!(mobile) {
            return Ok(Self::default());
        }
        Self::from_parts(std::env::args_os().skip(1), std::env::var_os(PROFILE_VARIABLE))
    }

    /// Parses arguments, without the program's name. `directory` is the profile's when there is no `--profile`.
    fn from_parts(
        arguments: impl IntoIterator<Item = OsString>,
        directory: Option<OsString>,
    ) -> Result<Self, LaunchError> {
        let Arguments { profile, link, window, activation_token: _ } = Arguments::parse(arguments)?;
        let profile = profile
            .or_else(|| directory.map(PathBuf::from))
            .map(|directory| Profile::open(&directory).map_err(|source| LaunchError::Profile { directory, source }));
        Ok(Self { profile: profile.transpose()?, link, window })
    }

    /// The profile; `None` for the default one, in the system's app data directory.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// The call link to open, not validated yet.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// How the window begins. Without a `session` nobody can ring, and a hidden window could not ask for the name.
    #[must_use]
    pub fn window(&self, session: &SessionFile) -> InitialWindow {
        if session.exists() { self.window } else { InitialWindow::Shown }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directory(launch: &LaunchContext) -> Option<&Path> {
        launch.profile().map(Profile::directory)
    }

    #[test]
    fn the_profile_argument_overrides_the_environment() {
        let root = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| root.path().canonicalize().unwrap().join(name));
        let link = "hutong://call/Ana";
        let both = [format!("--profile={}", one.display()), link.to_owned()].map(OsString::from);
        let launch = LaunchContext::from_parts(both, Some(other.clone().into())).unwrap();
        assert_eq!((directory(&launch), launch.link()), (Some(&*one), Some(link)));
        let launch = LaunchContext::from_parts([], Some(other.clone().into())).unwrap();
        assert_eq!((directory(&launch), launch.link()), (Some(&*other), None));
        assert_eq!(directory(&LaunchContext::from_parts([], None).unwrap()), None);
    }

    #[test]
    fn the_window_is_hidden_only_while_somebody_is_logged_in() {
        let root = tempfile::tempdir().unwrap();
        let session = SessionFile::in_directory(root.path());
        let hidden = LaunchContext::from_parts(["--hidden".into()], None).unwrap();
        assert_eq!(hidden.window(&session), InitialWindow::Shown);
        std::fs::write(root.path().join("session.json"), "{}").unwrap();
        assert_eq!(hidden.window(&session), InitialWindow::Hidden);
        assert_eq!(LaunchContext::from_parts([], None).unwrap().window(&session), InitialWindow::Shown);
    }

    #[test]
    fn an_unusable_profile_directory_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = LaunchContext::from_parts([], Some(file.clone().into())).unwrap_err().to_string();
        let expected = format!("cannot create or lock the profile directory {}: ", file.display());
        assert!(error.starts_with(&expected), "{error}");
        let error = LaunchContext::from_parts(["--profile".into()], None).unwrap_err();
        assert!(matches!(error, LaunchError::Arguments(MissingProfileDirectory)));
    }
}
