//! A QR code on a terminal, two modules a character.

use std::io::IsTerminal as _;

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// White on black, whatever colours the terminal has: readers take dark modules on a light ground.
const COLOURS: &str = "\x1b[97;40m";
const NO_COLOURS: &str = "\x1b[0m";

/// The code of a text, with the quiet zone readers want; `None` when the text is too long for one.
pub(super) fn on_terminal(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // Blocks are what is drawn, so they stand for light modules.
    let blocks = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    if !std::io::stdout().is_terminal() {
        return Some(blocks);
    }
    let lines = blocks.lines().map(|line| format!("{COLOURS}{line}{NO_COLOURS}"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use qrcode::Color;

    use super::*;

    const QUIET: usize = 4;

    #[test]
    fn every_module_is_drawn_in_its_colour() {
        let text = "otpauth://totp/Nord:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Nord";
        let lines: Vec<Vec<char>> =
            on_terminal(text).unwrap().lines().map(|line| line.chars().collect()).collect();
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let is_light = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            ' ' => false,
            other => panic!("{other:?}"),
        };
        for y in 0..code.width() {
            for x in 0..code.width() {
                assert_eq!(is_light(x + QUIET, y + QUIET), code[(x, y)] == Color::Light, "{x} {y}");
            }
        }
        assert!((0..QUIET).all(|at| is_light(at, 0) && is_light(0, at)), "the quiet zone is light");
    }

    #[test]
    fn what_is_too_long_for_a_code_is_none() {
        assert!(on_terminal(&"x".repeat(2953)).is_some());
        assert!(on_terminal(&"x".repeat(2954)).is_none());
    }
}
