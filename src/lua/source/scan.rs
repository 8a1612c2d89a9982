//! What a scan finds in a source: calls, and how their values are used.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    Text,
    /// A number, with or without a minus sign.
    Number,
    /// `true` or `false`.
    Boolean,
    Table,
}

/// How the value of a call is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Unknown,
    /// It is a condition, or also a condition.
    Condition,
    /// A literal of that type replaces nil and false (`or`).
    Or(Literal),
    /// It is compared with a literal of that type (`==`, `~=`).
    Equality(Literal),
}

impl Use {
    /// The use with the greatest rank counts if there are several.
    pub(super) fn rank(self) -> u8 {
        match self {
            Use::Unknown => 0,
            Use::Condition => 1,
            Use::Or(_) => 2,
            Use::Equality(_) => 3,
        }
    }
}

/// A call whose last suffix is `.name(…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCall {
    /// The bytes of the expression that is called, such as `state.get`.
    pub callee: (usize, usize),
    /// The bytes of the name that it ends in.
    pub name: (usize, usize),
    /// The line of the argument list, which Lua gives the call.
    pub line: usize,
    pub used: Use,
    /// Whether one of the fields that are looked for is read from its value, or from a variable that it alone
    /// is assigned to.
    pub is_read_by_fields: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    Literal(Literal),
    /// A variable, by the bytes of its name.
    Name(usize, usize),
    /// Any of these calls, by their places in [`SourceScan::calls`], may be its value.
    Calls(Vec<usize>),
    Other,
}

/// The value of a call is assigned to a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The bytes of the variable's name.
    pub name: (usize, usize),
    /// The place of the call in [`SourceScan::calls`].
    pub call: usize,
}

/// Two operands of `<`, `<=`, `>` or `>=`, or of an arithmetic operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The line of the operator, which Lua gives the comparison.
    pub line: usize,
    pub operands: [Operand; 2],
}

/// What was found in a source, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceScan {
    pub calls: Vec<SourceCall>,
    pub assignments: Vec<Assignment>,
    /// The comparisons in which a variable or a call takes part.
    pub comparisons: Vec<Comparison>,
}
