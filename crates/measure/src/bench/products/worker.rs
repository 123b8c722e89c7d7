//! A process that multiplies: our products, or Burn's.

use std::hint::black_box;
use std::io::{BufRead, stdin};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use kernels::loops::{Matrix, Written, product};

use super::list::Product;
use super::{ProductSpec, Program, Ready, Timed};
use crate::bench::worker::report;

/// The time that a product is repeated for in a round, so that the clock can tell it.
const LONG_ENOUGH: Duration = Duration::from_millis(30);

/// Answers every line of the input with one round.
///
/// # Errors
///
/// If the backend is not in this build.
pub fn run(spec: &ProductSpec) -> Result<()> {
    let device = spec.backend.device()?;
    let mut products = Vec::new();
    for of in &spec.products {
        products.push(match spec.program {
            Program::Own => own(of),
            Program::Burn => burn(of, &device),
            Program::Peer => bail!("a peer is another program"),
        });
    }
    report(&Ready { ready: true })?;
    for order in stdin().lock().lines() {
        order?;
        let seconds = products.iter_mut().map(mean_seconds);
        report(&Timed {
            seconds: seconds.collect(),
        })?;
    }
    Ok(())
}

type Multiply = Box<dyn FnMut()>;

fn mean_seconds(multiply: &mut Multiply) -> f64 {
    // Once for the caches, which hold what another product left there.
    multiply();
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LONG_ENOUGH {
        multiply();
        count += 1;
    }
    begun.elapsed().as_secs_f64() / f64::from(count)
}

fn own(of: &Product) -> Multiply {
    let ([m, k, n], transposed) = (of.size, of.transposed);
    let (a, b) = (numbers(m * k), numbers(k * n));
    Box::new(move || {
        // As in a step, where a tensor is made for every product.
        let mut output = vec![0f32; m * n];
        let a = Matrix::dense(&a, m, k, transposed[0]);
        let b = Matrix::dense(&b, k, n, transposed[1]);
        product(a, b, &mut output, Written::Replaced);
        black_box(output);
    })
}

fn burn(of: &Product, device: &Device) -> Multiply {
    let tensor = |rows, columns, transposed: bool| {
        let stored = match transposed {
            true => [columns, rows],
            false => [rows, columns],
        };
        let data = TensorData::new(numbers(rows * columns), stored);
        let tensor = Tensor::<2>::from_data(data, device);
        match transposed {
            true => tensor.transpose(),
            false => tensor,
        }
    };
    let [m, k, n] = of.size;
    let a = tensor(m, k, of.transposed[0]);
    let b = tensor(k, n, of.transposed[1]);
    Box::new(move || {
        black_box(a.clone().matmul(b.clone()));
    })
}

/// Numbers between -0.5 and 0.5.
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5)
        .collect()
}
