use tandem_isolate_pool::Compiled;

/// What V8 needs to load a module's text again without compiling it. Made and read in one
/// process, never stored or sent.
pub(crate) struct Code(pub(crate) Vec<u8>);

impl Compiled for Code {
    fn size(&self) -> usize {
        self.0.len()
    }
}
