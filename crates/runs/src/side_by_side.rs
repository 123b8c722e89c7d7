//! Jobs that do not depend on each other, several at the same time: the steps of a small model leave cores idle.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use burn::module::Module;
use lm::Model;

use crate::backend::Backend;
use crate::{interrupt, memory};

/// Up to this size, in parameters, several jobs run at the same time unless the user says otherwise. The matrix
/// products of a larger model keep every core busy, and a second job would double the memory for little.
const SMALL_MODEL: usize = 32_000_000;

/// Bytes that a job takes for each parameter of a small model: f32 weights of the base and of the model that is
/// trained, gradients, two moments, the report's copy, and as much again for activations.
const BYTES_PER_PARAMETER: u64 = 48;

/// Bytes that a job takes for everything whose size does not follow from the model's.
const BYTES_BESIDE: u64 = 512 << 20;

/// How many of `jobs` jobs run at the same time: `asked`, or as many as cores and memory allow for a small
/// model on the processor.
pub fn at_once(jobs: usize, asked: Option<NonZeroUsize>, backend: Backend, model: &Model) -> usize {
    let most = match asked {
        Some(asked) => asked.get(),
        None => {
            let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            allowed(cores, backend, model.num_params(), memory::available())
        }
    };
    most.min(jobs).max(1)
}

fn allowed(cores: usize, backend: Backend, parameters: usize, available: Option<u64>) -> usize {
    if !backend.is_processor() || parameters > SMALL_MODEL {
        return 1;
    }
    // One more than there are cores: while one waits inside a step another computes, and the last one is less alone.
    let most = cores + 1;
    let needed = parameters as u64 * BYTES_PER_PARAMETER + BYTES_BESIDE;
    let fit = available.map_or(1, |bytes| bytes / needed);
    most.min(usize::try_from(fit).unwrap_or(usize::MAX))
}

/// Calls `work` with every index below `count`, `at_once` calls at a time, and returns what they return in the order of
/// the indices. `work` also receives what is set as soon as another call fails: it should then end early.
///
/// # Errors
///
/// The error of the first index whose call failed for a reason of its own.
pub fn side_by_side<T: Send>(
    count: usize,
    at_once: usize,
    work: impl Fn(usize, &AtomicBool) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::default();
    let worker = || {
        while !stop.load(Ordering::SeqCst) {
            let index = next.fetch_add(1, Ordering::SeqCst);
            if index >= count {
                break;
            }
            let result = work(index, &stop);
            if result.is_err() {
                stop.store(true, Ordering::SeqCst);
            }
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((index, result));
        }
    };
    match at_once {
        0 | 1 => worker(),
        _ => std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(worker);
            }
        }),
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    // A job that was stopped because another one failed says nothing about the reason.
    let is_reason =
        |result: &Result<T>| matches!(result, Err(error) if !interrupt::is_interruption(error));
    if let Some(at) = done.iter().position(|(_, result)| is_reason(result)) {
        done.swap(0, at);
    }
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use anyhow::{anyhow, bail};
    use continual::ContinualError;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_indices() {
        for at_once in [0, 1, 2, 7, 40] {
            let squares = side_by_side(20, at_once, |index, _| {
                std::thread::sleep(Duration::from_millis((20 - index as u64) / 4));
                Ok(index * index)
            });
            let expected: Vec<usize> = (0..20).map(|index| index * index).collect();
            assert_eq!(squares.unwrap(), expected);
        }
        let none = side_by_side(0, 3, |_, _| -> Result<()> { bail!("not called") });
        assert!(none.unwrap().is_empty());
    }

    #[test]
    fn the_reason_is_reported_and_not_the_jobs_that_it_stopped() {
        let both = Barrier::new(2);
        let result: Result<Vec<()>> = side_by_side(9, 2, |index, stop| {
            assert!(index < 2, "no job begins after an error");
            both.wait();
            if index == 1 {
                return Err(anyhow!("no space left"));
            }
            while !stop.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            Err(ContinualError::Interrupted.into())
        });
        assert_eq!(result.unwrap_err().to_string(), "no space left");
    }

    #[test]
    fn only_small_models_on_a_processor_run_side_by_side() {
        let gibibytes = |count: u64| Some(count << 30);
        let flex = |parameters, available| allowed(8, Backend::Flex, parameters, available);
        assert_eq!(flex(1_000_000, gibibytes(64)), 9);
        assert_eq!(flex(1_000_000, gibibytes(1)), 1);
        assert_eq!(flex(32_000_000, gibibytes(8)), 4);
        assert_eq!(flex(135_000_000, gibibytes(64)), 1);
        assert_eq!(flex(1_000_000, None), 1);
        assert_eq!(allowed(8, Backend::Cuda, 1_000_000, gibibytes(64)), 1);
    }
}
