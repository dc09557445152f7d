//! Names of `command_status` values (section 5.1.3).

use rusmpp::CommandStatus;

/// The standard's name, `ESME_RTHROTTLED`, or the number of a status that is a vendor's own: `0x00000401`.
#[must_use]
pub fn name(status: CommandStatus) -> String {
    match status {
        CommandStatus::Other(number) => format!("{number:#010X}").replace("0X", "0x"),
        CommandStatus::EsmeRok => "ESME_ROK".to_owned(),
        CommandStatus::EsmeRxTAppn => "ESME_RX_T_APPN".to_owned(),
        CommandStatus::EsmeRxPAppn => "ESME_RX_P_APPN".to_owned(),
        CommandStatus::EsmeRxRAppn => "ESME_RX_R_APPN".to_owned(),
        known => {
            let name = format!("{known:?}").to_ascii_uppercase();
            name.strip_prefix("ESME").map_or_else(|| name.clone(), |rest| format!("ESME_{rest}"))
        }
    }
}

/// Whether the SMSC says that this was one message too many.
#[must_use]
pub const fn is_too_fast(status: CommandStatus) -> bool {
    matches!(status, CommandStatus::EsmeRthrottled | CommandStatus::EsmeRmsgqful)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_standards() {
        for (status, expected) in [
            (0x00, "ESME_ROK"),
            (0x0b, "ESME_RINVDSTADR"),
            (0x14, "ESME_RMSGQFUL"),
            (0x58, "ESME_RTHROTTLED"),
            (0x64, "ESME_RX_T_APPN"),
            (0x401, "0x00000401"),
        ] {
            assert_eq!(name(CommandStatus::from(status)), expected);
        }
    }
}
