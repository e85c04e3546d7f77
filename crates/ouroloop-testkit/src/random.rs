//! The generator behind every seed: SplitMix64.
//!
//! A seed that was printed today must give the same schedule after the next update of any crate. So
//! the generator is written down here, all ten lines of it, and never changes. (The generators of
//! `rand` and `fastrand` are better documented as being free to change.) Its statistical quality
//! is far above what choosing among a few ready entries needs.
//!
//! The algorithm is from Guy L. Steele Jr., Doug Lea and Christine H. Flood, *Fast splittable
//! pseudorandom number generators* (OOPSLA 2014), with the constants of Sebastiano Vigna's public
//! domain version.

/// A generator whose sequence depends on its seed alone, today and in later versions.
///
/// # Examples
///
/// ```
/// use ouroloop::testkit::Random;
///
/// let mut random = Random::new(42);
/// let dice: Vec<usize> = (0..5).map(|_| 1 + random.below(6)).collect();
/// assert_eq!(dice, [5, 1, 2, 3, 1]);
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    ///
    /// If `bound` is 0: there is no such number.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "no number is below 0: ask for one below a bound");
        // The high half of the product is below the bound, and nearly even for small ones.
        let product = u128::from(self.next_u64()) * bound as u128;
        (product >> 64) as usize
    }

    /// True once in `times` times.
    ///
    /// # Panics
    ///
    /// If `times` is 0.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference() {
        // The first outputs of Vigna's splitmix64.c for the seed 1234567.
        let mut random = Random::new(1_234_567);
        let drawn = [0; 5].map(|_| random.next_u64());
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn what_is_below_a_bound_covers_all_and_no_more() {
        let mut random = Random::new(7);
        let mut counts = [0; 5];
        for _ in 0..5_000 {
            counts[random.below(5)] += 1;
        }
        assert!(
            counts.iter().all(|count| (900..1_100).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn one_in_one_is_always() {
        let mut random = Random::new(1);
        assert!((0..100).all(|_| random.one_in(1)));
    }
}
