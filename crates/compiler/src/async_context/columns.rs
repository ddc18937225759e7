/// Maps places in an instrumented text back to the text that it was made from. Lines are the
/// same in both; columns are counted from 1 in UTF-16 code units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnMap {
    /// In order of line and column.
    shifts: Box<[Shift]>,
}

/// An insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shift {
    line: u32,
    /// Where it begins in the instrumented text.
    column: u32,
    length: u32,
    /// What earlier insertions added to the line.
    earlier: u32,
}

impl ColumnMap {
    /// The place in the original text; one inside an insertion is where it was inserted.
    pub fn original(&self, line: u32, column: u32) -> (u32, u32) {
        let after = self.shifts.partition_point(|shift| (shift.line, shift.column) <= (line, column));
        let shift = after.checked_sub(1).and_then(|index| self.shifts.get(index));
        match shift.filter(|shift| shift.line == line) {
            None => (line, column),
            Some(shift) if column < shift.column + shift.length => (line, shift.column - shift.earlier),
            Some(shift) => (line, column - shift.earlier - shift.length),
        }
    }
}

/// Builds a [`ColumnMap`] from insertions in order of place.
pub(super) struct Columns<'a> {
    code: &'a str,
    /// How far `code` has been read.
    at: usize,
    line: u32,
    /// Of `at` in the instrumented text.
    column: u32,
    earlier: u32,
    shifts: Vec<Shift>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(code: &'a str) -> Self {
        Self { code, at: 0, line: 1, column: 1, earlier: 0, shifts: Vec::new() }
    }

    /// Records that `length` columns were inserted before byte `at`.
    pub(super) fn insert(&mut self, at: usize, length: usize) {
        self.read_to(at);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.shifts.push(Shift { line: self.line, column: self.column, length, earlier: self.earlier });
        self.column += length;
        self.earlier += length;
    }

    pub(super) fn finish(self) -> ColumnMap {
        ColumnMap { shifts: self.shifts.into() }
    }

    fn read_to(&mut self, at: usize) {
        let mut chars = self.code[self.at..at].chars().peekable();
        let next = self.code[at..].chars().next();
        while let Some(char) = chars.next() {
            let ends_line = match char {
                '\n' | '\u{2028}' | '\u{2029}' => true,
                '\r' => chars.peek().copied().or(next) != Some('\n'),
                _ => false,
            };
            if ends_line {
                (self.line, self.column, self.earlier) = (self.line + 1, 1, 0);
            } else {
                self.column += if char.len_utf16() == 2 { 2 } else { 1 };
            }
        }
        self.at = at;
    }
}
