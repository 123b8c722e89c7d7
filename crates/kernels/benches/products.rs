//! Matrix products of a training step of the 135M shape (512 tokens) and of the built-in model: ours beside flex's own.
//! Items are operations: 2 m k n of a product.
//!
//!     cargo bench --workspace --bench products

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use divan::{Bencher, counter::ItemsCount};
use kernels::loops::{Matrix, Written, product};

/// A product `[m, k] [k, n]`; a factor is stored row after row, or column after column.
#[derive(Clone, Copy)]
struct Product {
    name: &'static str,
    size: [usize; 3],
    transposed: [bool; 2],
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m, k, n] = self.size;
        write!(f, "{} {m}x{k}x{n}", self.name)
    }
}

const fn of(name: &'static str, size: [usize; 3], transposed: [bool; 2]) -> Product {
    Product {
        name,
        size,
        transposed,
    }
}

const PRODUCTS: [Product; 16] = [
    of("q", [512, 576, 576], [false, false]),
    of("q, gradient of x", [512, 576, 576], [false, true]),
    of("q, gradient of W", [576, 512, 576], [true, false]),
    of("k", [512, 576, 192], [false, false]),
    of("up", [512, 576, 1536], [false, false]),
    of("up, gradient of x", [512, 1536, 576], [false, true]),
    of("up, gradient of W", [576, 512, 1536], [true, false]),
    of("down", [512, 1536, 576], [false, false]),
    of("down, gradient of x", [512, 576, 1536], [false, true]),
    of("down, gradient of W", [1536, 512, 576], [true, false]),
    of("up, gradient of C", [115, 512, 1536], [true, false]),
    of("up, N C", [576, 115, 1536], [false, false]),
    of("head", [85, 576, 49152], [false, true]),
    of("head, gradient of x", [85, 49152, 576], [false, false]),
    of("built-in up", [1600, 128, 352], [false, false]),
    of("built-in, gradient of W", [128, 1600, 352], [true, false]),
];

fn main() {
    divan::main();
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5)
        .collect()
}

fn operations(of: Product) -> ItemsCount {
    ItemsCount::new(2 * of.size.iter().product::<usize>())
}

#[divan::bench(args = PRODUCTS, sample_count = 50, sample_size = 1)]
fn ours(bencher: Bencher<'_, '_>, of: Product) {
    let [m, k, n] = of.size;
    let (a, b) = (numbers(m * k), numbers(k * n));
    bencher.counter(operations(of)).bench_local(|| {
        // A tensor is made for every product.
        let mut output = vec![0f32; m * n];
        let a = Matrix::dense(&a, m, k, of.transposed[0]);
        let b = Matrix::dense(&b, k, n, of.transposed[1]);
        product(a, b, &mut output, Written::Replaced);
        output
    });
}

#[divan::bench(args = PRODUCTS, sample_count = 50, sample_size = 1)]
fn flex(bencher: Bencher<'_, '_>, of: Product) {
    let [m, k, n] = of.size;
    let tensor = |rows, columns, transposed: bool| {
        let stored = if transposed {
            [columns, rows]
        } else {
            [rows, columns]
        };
        let data = TensorData::new(numbers(rows * columns), stored);
        let tensor = Tensor::<2>::from_data(data, &Device::flex());
        if transposed {
            tensor.transpose()
        } else {
            tensor
        }
    };
    let (a, b) = (
        tensor(m, k, of.transposed[0]),
        tensor(k, n, of.transposed[1]),
    );
    bencher
        .counter(operations(of))
        .bench_local(|| a.clone().matmul(b.clone()));
}
