//! What an SMSC's refusal means for us. `docs/providers/smpp.md` has the table for operators.

use countersign_smpp::bind::BindError;
use countersign_smpp::{CommandStatus, DialError, SubmitError, status};

use super::config::StatusRule;
use crate::provider::{ErrorClass, Fault, ProviderError};

/// Judges with the carrier's own rules first.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdicts {
    rules: Vec<StatusRule>,
}

impl Verdicts {
    pub(super) fn new(rules: &[StatusRule]) -> Self {
        Self { rules: rules.to_vec() }
    }

    /// A message that was not, or perhaps not, taken over. `Timeout` and `ConnectionLost` are the two that leave it
    /// open; all others are certain.
    pub(super) fn of_submission(&self, error: SubmitError) -> ProviderError {
        let detail = error.to_string();
        match error {
            SubmitError::NotBound(error) => self.of_bind(&error),
            SubmitError::NoRoom => ProviderError::new(ErrorClass::Throttled, detail),
            SubmitError::Refused(status) => self.of_status(status, submission(status), &detail),
            SubmitError::NoAnswer => ProviderError::new(ErrorClass::Timeout, detail),
            SubmitError::ConnectionLost => ProviderError::new(ErrorClass::ConnectionLost, detail),
            SubmitError::Closed => ProviderError::new(ErrorClass::Unavailable, "this node is stopping"),
        }
    }

    /// No bind.
    pub(super) fn of_bind(&self, error: &BindError) -> ProviderError {
        let detail = error.to_string();
        let class = match error {
            BindError::Dial(DialError::Unreachable(_)) | BindError::Silent => ErrorClass::Unreachable,
            BindError::Dial(DialError::Tls(_)) => ErrorClass::Tls,
            BindError::Dial(DialError::Configuration(_)) => ErrorClass::Configuration,
            BindError::Refused(status) => return self.of_status(*status, bind(*status), &detail),
            BindError::HungUp | BindError::Ended(_) => ErrorClass::Unavailable,
            BindError::NotSmpp(_) => ErrorClass::Protocol,
        };
        ProviderError::new(class, detail)
    }

    fn of_status(&self, status: CommandStatus, class: ErrorClass, detail: &str) -> ProviderError {
        let number = u32::from(status);
        let Some(rule) = self.rules.iter().find(|rule| rule.status == number) else {
            let error = ProviderError::new(class, detail);
            // Too many binds are our doing, although they may go away.
            let ours = status == CommandStatus::EsmeRalybnd;
            return if ours { error.with_fault(Fault::Us) } else { error };
        };
        let error = ProviderError::new(rule.class, detail);
        let fault = rule.fault.map_or(error.fault, |name| name.fault());
        let retry = rule.retry.unwrap_or(error.retry);
        error.with_fault(fault).with_retry(retry)
    }
}

/// The class of a refused submission.
fn submission(status: CommandStatus) -> ErrorClass {
    use CommandStatus as Status;
    match status {
        _ if status::is_too_fast(status) => ErrorClass::Throttled,
        Status::EsmeRinvdstadr => ErrorClass::RecipientRejected,
        Status::EsmeRinvsrcadr | Status::EsmeRinvsrcton | Status::EsmeRinvsrcnpi => {
            ErrorClass::SenderRejected
        }
        Status::EsmeRinvpaswd | Status::EsmeRinvsysid => ErrorClass::Authentication,
        Status::EsmeRsubmitfail
        | Status::EsmeRxPAppn
        | Status::EsmeRxRAppn
        | Status::EsmeRprohibited
        | Status::EsmeRdeliveryfailure => ErrorClass::MessageRejected,
        Status::EsmeRinvmsglen
        | Status::EsmeRinvcmdlen
        | Status::EsmeRinvcmdid
        | Status::EsmeRinvprtflg
        | Status::EsmeRinvregdlvflg
        | Status::EsmeRinvsertyp
        | Status::EsmeRinvesmclass
        | Status::EsmeRinvdstton
        | Status::EsmeRinvdstnpi
        | Status::EsmeRinvsystyp
        | Status::EsmeRinvrepflag
        | Status::EsmeRinvnummsgs
        | Status::EsmeRinvsched
        | Status::EsmeRinvexpiry
        | Status::EsmeRinvdftmsgid
        | Status::EsmeRinvtlvstream
        | Status::EsmeRtlvnotallwd
        | Status::EsmeRinvtlvlen
        | Status::EsmeRmissingtlv
        | Status::EsmeRinvtlvval
        | Status::EsmeRsertypunauth
        | Status::EsmeRsertypunavail
        | Status::EsmeRsertypdenied
        | Status::EsmeRinvdcs => ErrorClass::Configuration,
        // ESME_RSYSERR, ESME_RX_T_APPN, ESME_RINVBNDSTS, and what only the carrier knows.
        _ => ErrorClass::Unavailable,
    }
}

/// The class of a refused bind.
fn bind(status: CommandStatus) -> ErrorClass {
    use CommandStatus as Status;
    match status {
        Status::EsmeRinvpaswd | Status::EsmeRinvsysid | Status::EsmeRinvsystyp | Status::EsmeRprohibited => {
            ErrorClass::Authentication
        }
        Status::EsmeRinvcmdid | Status::EsmeRinvcmdlen => ErrorClass::Configuration,
        _ if status::is_too_fast(status) => ErrorClass::Throttled,
        // ESME_RBINDFAIL and ESME_RALYBND among them: an SMSC says so when an account has too many binds.
        _ => ErrorClass::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::FaultName;
    use super::*;

    fn refused(status: u32) -> (ErrorClass, Fault, bool) {
        let error = Verdicts::default().of_submission(SubmitError::Refused(CommandStatus::from(status)));
        (error.class, error.fault, error.retry)
    }

    #[test]
    fn refusals_say_whose_fault_and_whether_to_try_again() {
        for (status, class, fault, retry) in [
            (0x58, ErrorClass::Throttled, Fault::Provider, true),
            (0x14, ErrorClass::Throttled, Fault::Provider, true),
            (0x0b, ErrorClass::RecipientRejected, Fault::Recipient, false),
            (0x0a, ErrorClass::SenderRejected, Fault::Us, false),
            (0x45, ErrorClass::MessageRejected, Fault::Provider, false),
            (0x43, ErrorClass::Configuration, Fault::Us, false),
            (0x62, ErrorClass::Configuration, Fault::Us, false),
            (0x08, ErrorClass::Unavailable, Fault::Provider, true),
            (0x64, ErrorClass::Unavailable, Fault::Provider, true),
            (0x0499, ErrorClass::Unavailable, Fault::Provider, true),
        ] {
            assert_eq!(refused(status), (class, fault, retry), "{status:#x}");
        }
    }

    #[test]
    fn only_what_may_have_been_taken_says_so() {
        let verdicts = Verdicts::default();
        for (error, class) in [
            (SubmitError::NoAnswer, ErrorClass::Timeout),
            (SubmitError::ConnectionLost, ErrorClass::ConnectionLost),
            (SubmitError::NoRoom, ErrorClass::Throttled),
            (SubmitError::Closed, ErrorClass::Unavailable),
            (SubmitError::NotBound(BindError::Silent), ErrorClass::Unreachable),
            (SubmitError::NotBound(BindError::HungUp), ErrorClass::Unavailable),
            (SubmitError::NotBound(BindError::NotSmpp("x".to_owned())), ErrorClass::Protocol),
            (SubmitError::NotBound(BindError::Dial(DialError::Tls("x".to_owned()))), ErrorClass::Tls),
        ] {
            let maybe = error.may_have_been_taken();
            let judged = verdicts.of_submission(error);
            assert_eq!(judged.class, class);
            assert_eq!(maybe, matches!(class, ErrorClass::Timeout | ErrorClass::ConnectionLost));
            assert_eq!(maybe, judged.detail.contains("may have taken"), "{}", judged.detail);
        }
    }

    #[test]
    fn a_refused_bind_is_mostly_our_fault() {
        let verdicts = Verdicts::default();
        for (status, class, fault) in [
            (0x0e, ErrorClass::Authentication, Fault::Us),
            (0x0f, ErrorClass::Authentication, Fault::Us),
            (0x05, ErrorClass::Unavailable, Fault::Us),
            (0x0d, ErrorClass::Unavailable, Fault::Provider),
        ] {
            let error = verdicts.of_bind(&BindError::Refused(CommandStatus::from(status)));
            assert_eq!((error.class, error.fault), (class, fault), "{status:#x}");
        }
    }

    #[test]
    fn the_carriers_own_rules_come_first() {
        let rule = |status, class, fault, retry| StatusRule { status, class, fault, retry };
        let verdicts = Verdicts::new(&[
            rule(0x0401, ErrorClass::RecipientRejected, None, None),
            rule(0x45, ErrorClass::Unavailable, Some(FaultName::Us), Some(false)),
        ]);
        let of = |status| {
            let error = verdicts.of_submission(SubmitError::Refused(CommandStatus::from(status)));
            (error.class, error.fault, error.retry, error.detail)
        };
        let own = (ErrorClass::RecipientRejected, Fault::Recipient, false);
        assert_eq!(of(0x0401), (own.0, own.1, own.2, "the SMSC answered 0x00000401".to_owned()));
        let changed = "the SMSC answered ESME_RSUBMITFAIL".to_owned();
        assert_eq!(of(0x45), (ErrorClass::Unavailable, Fault::Us, false, changed));
    }
}
