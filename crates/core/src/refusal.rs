//! The closed list of refusals. The edge maps each to one problem document; there is no other way to say no.

use minicbor::{Decode, Encode};

use crate::time::Timestamp;
use crate::verification::Block;

/// Why a command was not carried out, or a code not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Refusal {
    /// No such verification in this project and mode.
    #[n(0)]
    NotFound,
    /// It was approved before.
    #[n(1)]
    AlreadyApproved,
    /// Its time ran out.
    #[n(2)]
    Expired,
    /// Too many wrong codes.
    #[n(3)]
    MaxAttempts,
    /// Called off, superseded, or ended by a changed transaction.
    #[n(4)]
    Canceled,
    /// Every route refused.
    #[n(5)]
    Undeliverable,
    /// The code does not match; it cost a try.
    #[n(6)]
    CodeIncorrect,
    /// The code cannot be one; it cost nothing.
    #[n(7)]
    CodeMalformed,
    /// Purpose, subject, session or transaction differ from the start; it cost a try.
    #[n(8)]
    BindingMismatch,
    /// The start had a session, so a check must name it.
    #[n(9)]
    SessionMissing,
    /// The start had a transaction, so a check must name it.
    #[n(10)]
    TransactionMissing,
    /// Too many wrong codes in a row for this recipient.
    #[n(11)]
    RecipientPaused(#[n(0)] Timestamp),
    /// Blocked until unlocked.
    #[n(12)]
    RecipientBlocked,
    /// Too many sends to this recipient.
    #[n(13)]
    RecipientRateLimited(#[n(0)] Timestamp),
    /// Too many starts from this address.
    #[n(14)]
    IpRateLimited(#[n(0)] Timestamp),
    /// The next send is allowed later.
    #[n(15)]
    ResendTooSoon(#[n(0)] Timestamp),
    /// The project does not allow it; the start is kept with its reason.
    #[n(16)]
    Blocked(#[n(0)] Block),
    /// This channel is not allowed for this purpose.
    #[n(17)]
    ChannelNotAllowed,
    /// No route serves this channel and country.
    #[n(18)]
    NoRoute,
    /// The channel cannot reach this recipient.
    #[n(19)]
    CannotReceive,
    /// The recipient is not valid (a scenario of test mode, or a scenario number in live mode).
    #[n(20)]
    RecipientInvalid,
    /// The same idempotency key came with another body.
    #[n(21)]
    IdempotencyKeyReused,
    /// It is in a state that does not allow this.
    #[n(22)]
    StateConflict,
    /// This node lacks the root key of the row; it cost nothing.
    #[n(23)]
    RootUnknown,
    /// A budget has nothing left for it today.
    #[n(30)]
    BudgetExceeded,
    /// Too many wrong codes at this factor: until an instant, or until somebody unlocks it.
    #[n(40)]
    FactorLocked(#[n(0)] Option<Timestamp>),
    /// The subject has no factor that may answer this.
    #[n(41)]
    FactorRequired,
    /// There may be no more of them.
    #[n(42)]
    LimitReached,
    /// The challenge was approved before.
    #[n(43)]
    ChallengeAlreadyApproved,
    /// The challenge's time ran out.
    #[n(44)]
    ChallengeExpired,
    /// Too many wrong codes at this challenge.
    #[n(45)]
    ChallengeMaxAttempts,
    /// The challenge was called off, superseded, or ended by a changed transaction.
    #[n(46)]
    ChallengeCanceled,
    /// The person said no on a device.
    #[n(47)]
    ChallengeDenied,
    /// Too many pushes to this person since the last one that was answered rightly.
    #[n(48)]
    PushRateLimited(#[n(0)] Timestamp),
    /// The device's signature does not fit; it cost nothing.
    #[n(49)]
    SignatureInvalid,
    /// The removal of a factor needs a challenge approved by another one, or a key that may.
    #[n(50)]
    RemovalUnproven,
    /// The answer could be the code of the verification that was begun for the challenge, so whoever asks has to check that,
    /// or name a method. It cost nothing.
    #[n(51)]
    VerificationAsked,
}
