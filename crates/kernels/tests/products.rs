//! Matrix products against sums in f64: all layouts, any place in memory, one thread and several.

mod common;

use common::{numbers, on_any_threads, wide};
use kernels::loops::{Matrix, Written, product, products};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_of_all_layouts(
        // Now and then large enough for several threads.
        shape in prop_oneof![
            [1usize..60, 1usize..60, 1usize..60],
            [100usize..300, 100usize..130, 100usize..400],
        ],
        layouts: [bool; 2],
        beyond in [0usize..5, 0usize..5],
        seed: u64,
    ) {
        let [m, k, n] = shape;
        let matrix = |values, rows, columns, transposed: bool, beyond| Matrix {
            values,
            rows,
            columns,
            stride: if transposed { rows } else { columns } + beyond,
            transposed,
        };
        let size = |rows: usize, columns: usize, transposed: bool, beyond: usize| {
            if transposed { columns * (rows + beyond) } else { rows * (columns + beyond) }
        };
        let a_values = numbers(size(m, k, layouts[0], beyond[0]), seed);
        let b_values = numbers(size(k, n, layouts[1], beyond[1]), seed ^ 1);
        let a = matrix(&a_values[..], m, k, layouts[0], beyond[0]);
        let b = matrix(&b_values[..], k, n, layouts[1], beyond[1]);
        let there = numbers(m * n, seed ^ 2);
        let (replaced, added, many) = on_any_threads(|| {
            let (mut replaced, mut added) = (there.clone(), there.clone());
            product(a, b, &mut replaced, Written::Replaced);
            product(a, b, &mut added, Written::Added);
            let mut many = vec![f32::NAN; 5 * m * n];
            products(&[(a, b); 5], &mut many);
            (replaced, added, many)
        });
        let at = |matrix: Matrix<'_>, row: usize, column: usize| {
            let place = match matrix.transposed {
                true => column * matrix.stride + row,
                false => row * matrix.stride + column,
            };
            f64::from(matrix.values[place])
        };
        let mut expected = Vec::new();
        for row in 0..m {
            for column in 0..n {
                expected.push((0..k).map(|i| at(a, row, i) * at(b, i, column)).sum::<f64>());
            }
        }
        // Sums of `k` products of numbers up to 3.
        let scale = (9 * k) as f64;
        let near = |found: &[f32], expected: &[f64]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-6 * scale, "{found} {expected}");
            }
        };
        near(&replaced, &expected);
        many.chunks(m * n).for_each(|one| assert_eq!(one, &replaced[..]));
        let sums: Vec<f64> = expected.iter().zip(wide(&there)).map(|(x, there)| x + there).collect();
        near(&added, &sums);
    }

    /// A run gives the same bits wherever its tensors happen to lie.
    #[test]
    fn products_do_not_depend_on_where_the_numbers_lie(
        shape in [1usize..200, 1usize..200, 1usize..200],
        transposed: [bool; 2],
        offsets in [0usize..32, 0usize..32, 0usize..32],
        seed: u64,
    ) {
        let [m, k, n] = shape;
        let (a_values, b_values) = (numbers(m * k, seed), numbers(k * n, seed ^ 1));
        let at = |offsets: [usize; 3]| {
            let moved = |values: &[f32], offset: usize| [&vec![0.0; offset][..], values].concat();
            let (a, b) = (moved(&a_values, offsets[0]), moved(&b_values, offsets[1]));
            let mut output = vec![0.0; offsets[2] + m * n];
            let a = Matrix::dense(&a[offsets[0]..], m, k, transposed[0]);
            let b = Matrix::dense(&b[offsets[1]..], k, n, transposed[1]);
            product(a, b, &mut output[offsets[2]..], Written::Replaced);
            output.split_off(offsets[2])
        };
        prop_assert_eq!(at([0; 3]), at(offsets));
    }
}

#[test]
fn a_short_rest_of_rows_or_columns_is_computed_as_on_one_thread() {
    for longer in [193, 194, 207, 241, 289] {
        for [m, n] in [[longer, 100], [100, longer]] {
            let (a, b) = (numbers(m * 100, 1), numbers(100 * n, 2));
            let a = Matrix::dense(&a, m, 100, false);
            let b = Matrix::dense(&b, 100, n, false);
            on_any_threads(|| {
                let mut output = vec![0.0; m * n];
                product(a, b, &mut output, Written::Replaced);
                output
            });
        }
    }
}
