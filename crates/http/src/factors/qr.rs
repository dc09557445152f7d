//! QR codes, drawn here, so that no secret goes to anybody who draws pictures.

use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around a code that readers expect (ISO/IEC 18004, 9.1).
const QUIET: usize = 4;
/// Pixels of a module in the PNG.
const SCALE: usize = 6;

/// A text as a QR code.
pub(super) struct Qr(QrCode);

impl Qr {
    /// `None` when the text is too long for any code (about 2,300 bytes).
    pub(super) fn of(text: &str) -> Option<Self> {
        QrCode::with_error_correction_level(text, EcLevel::M).ok().map(Self)
    }

    /// As an SVG document.
    pub(super) fn svg(&self) -> String {
        self.0.render::<svg::Color<'_>>().min_dimensions(240, 240).build()
    }

    /// As a PNG file, black and white; `None` when it cannot be encoded, which the sizes here rule out.
    pub(super) fn png(&self) -> Option<Vec<u8>> {
        let width = self.0.width();
        let side = (width + 2 * QUIET) * SCALE;
        let module = |pixel: usize| (pixel / SCALE).checked_sub(QUIET).filter(|module| *module < width);
        let dark = |x: usize, y: usize| match (module(x), module(y)) {
            (Some(x), Some(y)) => self.0[(x, y)] == Color::Dark,
            _ => false,
        };
        let pixels: Vec<u8> = (0..side)
            .flat_map(|y| (0..side).map(move |x| (x, y)))
            .map(|(x, y)| if dark(x, y) { 0 } else { 255 })
            .collect();
        let length = u32::try_from(side).ok()?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, length, length);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&pixels).ok()?;
        writer.finish().ok()?;
        Some(file)
    }
}
