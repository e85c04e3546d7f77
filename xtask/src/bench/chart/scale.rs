//! From figures to pixels, and the round figures to write on an axis.

/// A straight scale from zero to a round figure.
pub struct Scale {
    end: f64,
    step: f64,
    pixels: (f64, f64),
}

impl Scale {
    /// For figures up to `largest`, on these pixels.
    pub fn new(largest: f64, pixels: (f64, f64)) -> Scale {
        let step = round_step(largest / 5.0);
        let end = (largest / step).ceil().max(1.0) * step;
        Scale { end, step, pixels }
    }

    /// Where a figure is; what is beyond the end is at the end.
    pub fn place(&self, figure: f64) -> f64 {
        let (from, to) = self.pixels;
        from + (to - from) * (figure / self.end).clamp(0.0, 1.0)
    }

    /// Whether a figure is beyond the end.
    pub fn cuts(&self, figure: f64) -> bool {
        figure > self.end
    }

    /// The round figures from zero to the end, each with what to write there.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let count = (self.end / self.step).round() as u32;
        (0..=count)
            .map(|tick| f64::from(tick) * self.step)
            .map(|figure| (figure, label(figure)))
            .collect()
    }
}

/// The next larger of 1, 2 and 5, times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-9).log10().floor());
    let part = step / power;
    let round = [1.0, 2.0, 5.0, 10.0];
    power
        * round
            .into_iter()
            .find(|r| *r >= part - 1e-9)
            .unwrap_or(10.0)
}

fn label(figure: f64) -> String {
    let (part, unit) = match figure {
        1e6.. => (figure / 1e6, "M"),
        1e3.. => (figure / 1e3, "k"),
        _ => (figure, ""),
    };
    let text = format!("{part:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_figure_with_few_ticks() {
        for (largest, labels) in [
            (87.0, "0 20 40 60 80 100"),
            (0.9, "0 0.2 0.4 0.6 0.8 1"),
            (173.0, "0 50 100 150 200"),
            (26e6, "0 10M 20M 30M"),
            (8700.0, "0 2k 4k 6k 8k 10k"),
        ] {
            let ticks = Scale::new(largest, (0.0, 1.0)).ticks();
            let found: Vec<_> = ticks.into_iter().map(|(_, label)| label).collect();
            assert_eq!(found.join(" "), labels, "{largest}");
        }
    }

    #[test]
    fn figures_beyond_the_end_are_cut() {
        let scale = Scale::new(100.0, (50.0, 150.0));
        assert_eq!(scale.place(50.0), 100.0);
        assert_eq!(scale.place(500.0), 150.0);
        assert!(scale.cuts(500.0) && !scale.cuts(100.0));
    }
}
