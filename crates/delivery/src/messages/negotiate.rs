//! Which of our languages a BCP 47 tag gets.

use std::collections::HashMap;

/// Lower-case tags to positions in the list of languages.
#[derive(Debug, Default)]
pub(crate) struct TagIndex(HashMap<String, usize>);

impl TagIndex {
    /// Adds a tag; `false` if some language has it already.
    pub(crate) fn add(&mut self, tag: &str, position: usize) -> bool {
        self.0.insert(tag.to_ascii_lowercase(), position).is_none()
    }

    /// RFC 4647, section 3.4 (lookup): the whole tag, then without its last subtag, and so on. POSIX
    /// spelling (`pt_BR.UTF-8`) is understood, because people paste it.
    pub(crate) fn lookup(&self, wish: &str) -> Option<usize> {
        let tag =
            wish.split(['.', '@']).next().unwrap_or_default().trim().to_ascii_lowercase().replace('_', "-");
        let mut range = tag.as_str();
        loop {
            if let Some(position) = self.0.get(range) {
                return Some(*position);
            }
            range = &range[..range.rfind('-')?];
        }
    }
}
