//! Python's `random.sample`, by which lm-evaluation-harness draws examples.

use std::collections::HashSet;

use rand_mt::Mt;

/// Python's generator of random numbers.
///
/// # References
///
/// `Lib/random.py` and `Modules/_randommodule.c` of CPython 3.11.
pub(crate) struct PythonRandom(Mt);

/// Populations up to this size are drawn from a list. Python's limit for at most five draws.
const SMALL: u32 = 21;

impl PythonRandom {
    /// `random.Random(seed)`.
    pub(crate) fn new(seed: u32) -> Self {
        Self(Mt::new_with_key([seed]))
    }

    /// Five different numbers below `count`: `sample(range(count), 5)`; `None` if there are not as
    /// many.
    pub(crate) fn five_below(&mut self, count: u32) -> Option<[u32; 5]> {
        if count < 5 {
            return None;
        }
        let mut drawn = [0; 5];
        if count <= SMALL {
            let mut pool: Vec<u32> = (0..count).collect();
            for place in &mut drawn {
                let index = self.below(pool.len() as u32) as usize;
                // As in Python, the last one takes the place of the drawn one.
                *place = pool.swap_remove(index);
            }
        } else {
            let mut seen = HashSet::new();
            for place in &mut drawn {
                *place = self.below(count);
                while !seen.insert(*place) {
                    *place = self.below(count);
                }
            }
        }
        Some(drawn)
    }

    /// A number below `end`, which is not 0: numbers of as many bits until one fits.
    fn below(&mut self, end: u32) -> u32 {
        let unused = end.leading_zeros();
        loop {
            let number = self.0.next_u32() >> unused;
            if number < end {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From CPython 3.11: `r = random.Random(1234); [r.sample(range(n), 5) for _ in range(3)]`.
    #[test]
    fn samples_equal_those_of_python() {
        let three = |count| {
            let mut random = PythonRandom::new(1234);
            [(); 3].map(|()| random.five_below(count).unwrap_or_default())
        };
        assert_eq!(
            three(5),
            [[3, 0, 4, 2, 1], [0, 4, 1, 3, 2], [0, 4, 1, 2, 3]]
        );
        assert_eq!(
            three(16),
            [[14, 1, 0, 15, 9], [1, 10, 11, 15, 12], [11, 3, 0, 13, 12]]
        );
        assert_eq!(
            three(21),
            [[14, 3, 0, 2, 1], [2, 3, 11, 7, 0], [0, 20, 11, 15, 14]]
        );
        assert_eq!(
            three(22),
            [[14, 3, 0, 2, 18], [1, 21, 2, 3, 11], [7, 0, 11, 20, 19]]
        );
        assert_eq!(
            three(7473),
            [
                [6374, 3610, 957, 61, 742],
                [7462, 6610, 4769, 286, 5501],
                [5677, 687, 806, 6279, 2905]
            ]
        );
    }

    #[test]
    fn fewer_than_five_cannot_be_drawn() {
        assert_eq!(PythonRandom::new(1).five_below(4), None);
    }
}
