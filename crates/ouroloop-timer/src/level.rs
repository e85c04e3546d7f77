//! The arithmetic of levels: which six bits of a deadline a wheel looks at.
//!
//! A wheel of level `l` has 64 slots of `2^(6 l)` ns each and covers one aligned span of
//! `2^(6 (l + 1))` ns. Level 0 tells single nanoseconds apart, level 10 is the root and sees the
//! top four bits. Nothing here can overflow: shifts stay below 64, and the root's span is "all".

/// The level of the root wheel, which covers every deadline.
pub(crate) const LEVEL_MAX: u8 = 10;

/// The level of the wheel that tells two deadlines apart whose XOR is `difference`.
///
/// No difference at all belongs to level 0, whose slots hold equal deadlines.
#[inline]
pub(crate) const fn telling_apart(difference: u64) -> u8 {
    // `| 1` gives zero a highest bit, and a level that is right for it.
    let highest_bit = (u64::BITS - 1 - (difference | 1).leading_zeros()) as u8;
    highest_bit / DIGIT_BITS
}

/// How far to the right the digit of `level` must be shifted.
#[inline]
pub(crate) const fn shift(level: u8) -> u8 {
    level * DIGIT_BITS
}

/// The bits that all deadlines under one wheel of `level` have in common; none for the root.
#[inline]
pub(crate) const fn prefix_mask(level: u8) -> u64 {
    // Two shifts, since the span of the root is 2^66.
    (u64::MAX << shift(level)) << DIGIT_BITS
}

const DIGIT_BITS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_boundaries_are_powers_of_64() {
        assert_eq!(telling_apart(0), 0);
        for level in 0..=LEVEL_MAX {
            let slot_ns = 1_u64 << shift(level);
            assert_eq!(telling_apart(slot_ns), level);
            assert_eq!(telling_apart(slot_ns - 1), level.saturating_sub(1));
        }
        assert_eq!(telling_apart(u64::MAX), LEVEL_MAX);
    }

    #[test]
    fn the_root_covers_everything_and_the_finest_wheel_64_ns() {
        assert_eq!(prefix_mask(LEVEL_MAX), 0);
        assert_eq!(prefix_mask(LEVEL_MAX - 1), 0xf << 60);
        assert_eq!(prefix_mask(0), !63);
    }
}
