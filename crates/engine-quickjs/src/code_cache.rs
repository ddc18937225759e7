use tandem_compiler::async_context::ColumnMap;
use tandem_isolate_pool::Compiled;

/// What compiling a module gave: everything that a further isolate needs of it.
pub(crate) struct Code {
    /// QuickJS bytecode, made by this process.
    pub(crate) bytecode: Vec<u8>,
    /// Maps columns back to before the awaits were rewritten.
    pub(crate) columns: ColumnMap,
    /// Columns that the wrapper of a CommonJS module puts before its first line.
    pub(crate) wrapper: u32,
    /// The global that the text of a CommonJS module finds `save` and `restore` in, when it is run.
    pub(crate) holder: String,
}

impl Code {
    /// The place in the text that was compiled of a place in what the engine loaded.
    pub(crate) fn original(&self, line: u32, column: u32) -> (u32, u32) {
        let column = if line == 1 { column.saturating_sub(self.wrapper).max(1) } else { column };
        self.columns.original(line, column)
    }
}

impl Compiled for Code {
    fn size(&self) -> usize {
        self.bytecode.len()
    }
}
