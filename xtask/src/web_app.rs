//! The two builds of the web app, for the commands that request them and the program that makes them.

use std::path::{Path, PathBuf};

/// A build of the web app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebAppBuild {
    /// For browsers: small and precompressed. The server embeds it.
    Browser,
    /// For the app's webview, with the native media backend. The app embeds it, beside its server's.
    App,
}

impl WebAppBuild {
    /// Both builds.
    pub const ALL: [Self; 2] = [Self::Browser, Self::App];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::App => "app",
        }
    }

    /// The build with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|build| build.name() == name)
    }

    /// Its output directory, below `ui` or the directory that `--out` names.
    pub fn dir(self, parent: &Path) -> PathBuf {
        parent.join(match self {
            Self::Browser => "dist",
            Self::App => "dist-app",
        })
    }
}
