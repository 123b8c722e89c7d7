//! Runs a loop with the processor's vector instructions, in pieces on all threads.

use pulp::{Arch, Simd, WithSimd};

/// Numbers of a piece: below, another thread costs more than it brings.
const PIECE: usize = 1 << 14;

/// Runs `work` compiled for the vector instructions of this processor. `work` must be a closure marked
/// `#[inline(always)]`.
#[inline(always)]
pub(crate) fn vectorized<T>(work: impl FnOnce() -> T) -> T {
    struct Work<F>(F);

    impl<T, F: FnOnce() -> T> WithSimd for Work<F> {
        type Output = T;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> T {
            (self.0)()
        }
    }

    Arch::new().dispatch(Work(work))
}

/// Rows of a piece, for rows of `width` numbers. It depends on nothing else, so that a sum over pieces is the same
/// for every number of threads.
pub(crate) fn rows_of_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}
