//! How deep the tree of a text can be at most, told from its tokens before there is a tree: the stack that reading a tree
//! takes grows with its depth, and a stack cannot grow.
//!
//! Depth is counted in levels: messages inside each other, in the form in which libpg_query hands a tree over. Nodes get
//! inside each other in three ways only:
//! - by brackets. What is inside a pair comes under a few nodes that the brackets and the words before them make;
//! - by operators, and words that work like them (`IS NULL`, `COLLATE`), one after the other. Commas put things side by
//!   side, and so do AND and OR, which are made into lists, except where a BETWEEN or a CASE goes on behind them;
//! - by set operations and joins, each of which has all before it inside, whatever commas are between.
//!
//! So a text is cut at its commas, and what counts is the deepest way from bracket to bracket. It is a bound, and for common
//! statements it is near; too high a bound costs address space and nothing else.

use pg_query::protobuf::{ScanToken, Token};

/// Deepest tree that the parser hands over, in levels; deeper ones are its error (`PG_QUERY_PROTOBUF_MAX_DEPTH` in
/// libpg_query).
pub(crate) const LEVELS_MAX: usize = 10_000;

/// Of what a statement is inside at most, without brackets, and of what the last operand is made.
const STATEMENT: usize = 32;

/// Of what the parts of something in brackets are inside at most: the parts of a MERGE in a WITH, in twelve.
const BRACKETS: usize = 12;

/// An operator, a join, a set operation.
const OPERATOR: usize = 2;

/// Any other word that may have something inside: CASE, BETWEEN.
const WORD: usize = 4;

/// What a token can do to the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing: a name, a constant, a word that can only be once where it stands.
    Flat,
    Opens,
    Closes,
    /// What is behind it is beside what is before it.
    Separates,
    /// The same, between conditions.
    SeparatesConditions,
    /// It ends a statement, outside of brackets.
    Ends,
    /// What is before it is inside, up to the next separator.
    Nests(usize),
    /// The same, and conditions go on behind it.
    NestsConditions,
    /// All that is before it in the brackets is inside.
    NestsAll,
}

/// Most levels of a tree of a text with these tokens.
pub(crate) fn levels(tokens: &[ScanToken]) -> usize {
    let mut bound = Bound::default();
    let mut after_dot = false;
    for token in tokens {
        let kind = token.token();
        // A part of a name may be any word.
        let role = if after_dot && is_word(kind) { Role::Flat } else { role(kind) };
        after_dot = kind == Token::Ascii46;
        bound.take(role);
    }
    bound.finish().min(LEVELS_MAX)
}

/// Most levels of the tree of any text of so many bytes: one level takes a byte at the least, and its name or bracket
/// another.
pub(crate) fn levels_of_any(bytes: usize) -> usize {
    (STATEMENT + 2 * bytes).min(LEVELS_MAX)
}

fn is_word(kind: Token) -> bool {
    !matches!(role(kind), Role::Opens | Role::Closes | Role::Separates | Role::Ends)
}

fn role(kind: Token) -> Role {
    match kind {
        Token::Ascii40 | Token::Ascii91 => Role::Opens,
        Token::Ascii41 | Token::Ascii93 => Role::Closes,
        Token::Ascii44 => Role::Separates,
        Token::Ascii59 => Role::Ends,
        Token::And | Token::Or => Role::SeparatesConditions,
        Token::Between | Token::Case => Role::NestsConditions,
        Token::Join | Token::Union | Token::Intersect | Token::Except => Role::NestsAll,
        kind if is_flat(kind) => Role::Flat,
        kind if is_operator(kind) => Role::Nests(OPERATOR),
        _ => Role::Nests(WORD),
    }
}

fn is_operator(kind: Token) -> bool {
    matches!(
        kind,
        Token::Ascii37
            | Token::Ascii42
            | Token::Ascii43
            | Token::Ascii45
            | Token::Ascii47
            | Token::Ascii60
            | Token::Ascii61
            | Token::Ascii62
            | Token::Ascii94
            | Token::Op
            | Token::Typecast
            | Token::LessEquals
            | Token::GreaterEquals
            | Token::NotEquals
    )
}

/// Names, constants, comments, and words of which there is one at most for each SELECT, write, CASE, join or operator that
/// counts by itself.
fn is_flat(kind: Token) -> bool {
    matches!(
        kind,
        Token::SqlComment
            | Token::CComment
            | Token::Ident
            | Token::Uident
            | Token::Sconst
            | Token::Usconst
            | Token::Bconst
            | Token::Xconst
            | Token::Iconst
            | Token::Fconst
            | Token::Param
            | Token::Ascii46
            | Token::All
            | Token::As
            | Token::Asc
            | Token::By
            | Token::Cross
            | Token::Desc
            | Token::Distinct
            | Token::Else
            | Token::EndP
            | Token::FalseP
            | Token::From
            | Token::Full
            | Token::GroupP
            | Token::Having
            | Token::InnerP
            | Token::Insert
            | Token::Into
            | Token::Left
            | Token::Limit
            | Token::Natural
            | Token::NullP
            | Token::Offset
            | Token::On
            | Token::Order
            | Token::OuterP
            | Token::Returning
            | Token::Right
            | Token::Select
            | Token::Set
            | Token::Then
            | Token::TrueP
            | Token::Update
            | Token::Using
            | Token::Values
            | Token::When
            | Token::Where
    )
}

/// What is known of a pair of brackets while it is open, or of a statement.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    /// By set operations and joins.
    across: usize,
    /// Between the last separator and here: by operators, and in brackets.
    own: usize,
    inside: usize,
    /// Between any two separators.
    deepest: usize,
    /// AND and OR do not separate, for want of knowing whose they are.
    conditions_go_on: bool,
}

impl Group {
    fn separate(&mut self) {
        self.deepest = self.deepest.max(self.own + self.inside);
        (self.own, self.inside) = (0, 0);
    }

    fn levels(mut self) -> usize {
        self.separate();
        self.across + self.deepest
    }
}

/// The bound so far.
#[derive(Debug, Default)]
struct Bound {
    /// The innermost brackets, or the statement.
    group: Group,
    /// Those around, innermost last.
    outer: Vec<Group>,
    /// Of the statements before.
    deepest: usize,
}

impl Bound {
    fn take(&mut self, role: Role) {
        let group = &mut self.group;
        match role {
            Role::Flat => {}
            Role::Opens => self.outer.push(std::mem::take(group)),
            Role::Closes => self.close(),
            Role::Separates => {
                group.separate();
                group.conditions_go_on = false;
            }
            Role::SeparatesConditions if group.conditions_go_on => group.own += WORD,
            Role::SeparatesConditions => group.separate(),
            Role::Ends if self.outer.is_empty() => {
                self.deepest = self.deepest.max(std::mem::take(group).levels());
            }
            Role::Ends => group.separate(),
            Role::Nests(levels) => group.own += levels,
            Role::NestsConditions => {
                group.own += WORD;
                group.conditions_go_on = true;
            }
            Role::NestsAll => group.across += OPERATOR,
        }
    }

    /// What closes nothing belongs to no statement that can be parsed.
    fn close(&mut self) {
        let Some(around) = self.outer.pop() else { return };
        let levels = BRACKETS + std::mem::replace(&mut self.group, around).levels();
        self.group.inside = self.group.inside.max(levels);
    }

    fn finish(mut self) -> usize {
        while !self.outer.is_empty() {
            self.close();
        }
        STATEMENT + self.deepest.max(self.group.levels())
    }
}
