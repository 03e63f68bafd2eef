//! These systems' webviews have peer connections of their own.

use hutong_core::native::{Batch, NativeId, NativeProblem, Order, Reply};
use hutong_protocol::IceServer;

/// Has no connections.
#[derive(Debug, Default)]
pub struct Native;

impl Native {
    /// Makes none.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::NotHere`].
    pub async fn open(&self, _: Vec<IceServer>) -> Result<NativeId, NativeProblem> {
        Err(NativeProblem::NotHere)
    }

    /// Has none that could do it.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::NotHere`].
    pub async fn order(&self, _: NativeId, _: Order) -> Result<Reply, NativeProblem> {
        Err(NativeProblem::NotHere)
    }

    /// Has none that could say something.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::NotHere`].
    pub async fn next(&self, _: NativeId) -> Result<Batch, NativeProblem> {
        Err(NativeProblem::NotHere)
    }

    /// Has none to send it on.
    ///
    /// # Errors
    ///
    /// [`NativeProblem::NotHere`].
    pub fn send(&self, _: &[u8]) -> Result<(), NativeProblem> {
        Err(NativeProblem::NotHere)
    }

    /// Has none to close.
    pub async fn close_all(&self) {}
}
