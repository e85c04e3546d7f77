//! The few elements of SVG that the charts are made of.

use std::fmt::Write;

/// The width of each chart, in pixels.
pub const WIDTH: f64 = 480.0;

/// A chart under construction: coordinates are pixels from its upper left corner.
pub struct Svg {
    body: String,
}

/// How text stands to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It has its middle there.
    Middle,
    /// It ends there.
    End,
}

impl Svg {
    /// An empty one.
    pub fn new() -> Svg {
        Svg {
            body: String::new(),
        }
    }

    /// Writes text on a line whose foot is at `y`.
    pub fn text(&mut self, class: &str, anchor: Anchor, x: f64, y: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.push(&format!(
            r#"<text class="{class}" text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{text}</text>"#
        ));
    }

    /// Draws a bar.
    pub fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        self.push(&format!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        ));
    }

    /// Draws a line through points.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let steps: Vec<_> = points
            .iter()
            .enumerate()
            .map(|(at, (x, y))| format!("{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' }))
            .collect();
        self.push(&format!(
            r#"<path class="{class}" d="{}"/>"#,
            steps.join("")
        ));
    }

    /// Draws a dot.
    pub fn dot(&mut self, class: &str, x: f64, y: f64) {
        self.push(&format!(
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="2.5"/>"#
        ));
    }

    /// The whole file, of this height; `label` is for those who hear the page.
    pub fn finish(self, height: f64, label: &str) -> String {
        let (body, label) = (self.body, escaped(label));
        let inner = (WIDTH - 1.0, height - 1.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{label}\">\n\
             <style>{STYLE}</style>\n\
             <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n\
             {body}</svg>\n",
            inner.0, inner.1
        )
    }

    fn push(&mut self, element: &str) {
        writeln!(self.body, "{element}").expect("a string takes all");
    }
}

/// Breaks text into lines of at most so many letters.
pub fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1f2328;paint-order:stroke;stroke:#fff;stroke-width:4px}\
.title{font-size:15px;font-weight:600}.small{font-size:12px;fill:#59636e}\
.strong{font-weight:600;fill:#c2410c}\
.card{fill:#fff;stroke:#d1d9e0}.bar{fill:#9fb3c8}.unlike{fill:#dbe2ea}.ours{fill:#ea580c}\
.whisker{stroke:#1f2328;fill:none}.grid{stroke:#e6eaef;fill:none}.one{stroke:#59636e;fill:none;stroke-dasharray:4 3}\
.cut{stroke:#fff;stroke-width:3;fill:none}\
.line{fill:none;stroke-width:1.5}.l0{stroke:#ea580c;stroke-width:3}.l1{stroke:#2563eb}.l2{stroke:#0d9488}\
.l3{stroke:#7c3aed}.l4{stroke:#64748b}.l5{stroke:#a16207}\
.d0{fill:#ea580c}.d1{fill:#2563eb}.d2{fill:#0d9488}.d3{fill:#7c3aed}.d4{fill:#64748b}.d5{fill:#a16207}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3;stroke:#161b22}.small{fill:#9da7b3}.strong{fill:#fb923c}\
.card{fill:#161b22;stroke:#30363d}.bar{fill:#5b7083}.unlike{fill:#343f4b}.whisker{stroke:#e6edf3}\
.grid{stroke:#262d36}.one{stroke:#9da7b3}.cut{stroke:#161b22}\
.l1{stroke:#60a5fa}.l2{stroke:#2dd4bf}.l3{stroke:#a78bfa}.l4{stroke:#94a3b8}.l5{stroke:#eab308}\
.d1{fill:#60a5fa}.d2{fill:#2dd4bf}.d3{fill:#a78bfa}.d4{fill:#94a3b8}.d5{fill:#eab308}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("", 8), [""; 0]);
    }

    #[test]
    fn what_text_has_cannot_end_it() {
        let mut svg = Svg::new();
        svg.text("small", Anchor::Start, 0.0, 0.0, "a < b & c");
        let text = svg.finish(10.0, "\"quoted\"");
        assert!(text.contains(">a &lt; b &amp; c</text>"), "{text}");
        assert!(text.contains("&quot;quoted&quot;"), "{text}");
    }
}
