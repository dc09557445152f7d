//! The conformance suite: what every engine must do, run against each of them under its own name.
#![expect(clippy::unwrap_used, reason = "a check that cannot go on has failed")]

mod admin;
mod attacks;
mod bench;
mod budgets;
mod claims;
mod commits;
mod copy;
mod factor_races;
mod fence;
mod journal;
mod lists;
mod node_subjects;
mod nodes;
mod once;
mod races;
mod receipts;
mod rows;
mod steps;
mod subjects;
mod sweeps;

/// Names every check once and gives each engine a test for it.
macro_rules! conformance {
    ($($group:ident { $($check:ident),+ $(,)? })+) => {
        mod memory {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    crate::$group::$check(&crate::bench::Bench::memory()).await;
                })+
            })+
        }
        mod sqlite {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    crate::$group::$check(&crate::bench::Bench::sqlite()).await;
                })+
            })+
        }
        mod postgres {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    crate::$group::$check(&crate::bench::Bench::postgres(true).await).await;
                })+
            })+
        }
        mod postgres_unprepared {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $check() {
                    crate::$group::$check(&crate::bench::Bench::postgres(false).await).await;
                })+
            })+
        }
    };
}

conformance! {
    rows {
        a_start_is_read_back_as_it_was_answered,
        a_dry_run_leaves_nothing,
        a_blocked_start_is_kept_with_its_reason,
        history_tells_every_change_in_order,
        the_outbox_shows_the_latest_deliveries_first,
        a_foreign_tenant_sees_and_changes_nothing,
        time_never_goes_back,
        a_clock_set_back_refuses_until_it_is_accepted,
    }
    lists {
        pages_follow_the_cursor_to_the_end,
        every_filter_narrows_and_all_must_match,
        spellings_of_a_mailbox_are_told_apart,
        a_test_tenant_is_listed_by_its_own_clock,
    }
    once {
        a_twin_gets_the_first_outcome,
        twins_of_one_batch_get_one_outcome,
        another_body_under_the_same_key_is_refused,
        an_approval_is_told_again_and_approves_once,
        a_key_is_free_again_after_a_day,
        a_start_that_changed_nothing_is_not_kept,
    }
    journal {
        one_entry_per_state_change,
        entries_are_numbered_from_one_without_gaps,
    }
    claims {
        a_delivery_is_born_leased_and_handed_over,
        an_orphan_is_claimed_once_after_its_lease,
        a_retry_is_claimed_when_it_is_due,
        an_ended_delivery_is_never_claimed,
        claims_take_the_longest_waiting_first_and_no_more_than_asked,
    }
    sweeps {
        overdue_verifications_are_found_in_steps_and_expired_once,
        overdue_challenges_are_found_in_steps_and_expired_once,
        retention_removes_in_steps_what_is_too_old,
        counters_outlive_their_verifications,
    }
    admin {
        projects_and_keys_are_read_back,
        a_second_one_is_a_conflict,
        unknown_projects_and_keys_are_not_found,
        a_revoked_key_keeps_its_first_time,
        the_test_clock_only_goes_forward_within_its_bounds,
        clearing_the_outbox_notes_the_time,
        settings_are_kept_per_tenant_and_kind,
    }
    budgets {
        a_counter_grants_its_cap_and_not_one_more,
        what_is_given_back_is_granted_again,
        days_and_budgets_are_counted_apart,
        old_days_go_when_a_new_one_begins,
        parallel_changes_never_grant_more_than_the_cap,
    }
    races {
        two_hundred_guesses_at_one_verification,
        two_hundred_guesses_over_many_verifications,
        a_hundred_right_codes_approve_once,
        twins_in_parallel_create_once,
        parallel_sends_stay_within_the_cap,
    }
    subjects {
        a_subject_is_found_by_its_name_its_factors_and_its_challenges,
        a_removed_subject_gives_its_name_back,
        lists_of_subjects_and_challenges_follow_the_cursor,
        a_foreign_tenant_sees_and_changes_no_subject,
        an_enrolment_is_told_again_with_its_secret_until_the_subject_is_removed,
        a_factor_is_removed_on_the_strength_of_another_once,
        retention_forgets_old_challenges_and_removed_subjects,
        challenges_of_a_clock_that_was_set_back_are_over,
    }
    factor_races {
        a_hundred_entries_of_one_code_of_an_app,
        a_hundred_entries_of_one_code_of_a_token,
        a_hundred_entries_of_one_code_of_a_list,
        a_hundred_times_the_yes_of_a_device,
        two_hundred_guesses_at_one_factor_over_many_challenges,
        a_factor_that_is_removed_while_codes_are_on_their_way,
        fifty_enrolments_of_one_name_make_one_subject,
        twins_of_an_enrolment_enrol_once,
    }
    receipts {
        a_receipt_finds_its_delivery_and_moves_it,
        a_provider_without_receipts_leaves_no_row,
        repetitions_in_one_batch_count_once,
        an_early_receipt_waits_and_is_struck_out_once_it_was_of_use,
        an_early_receipt_that_names_a_delivery_is_known_at_once,
        a_name_that_comes_again_leads_to_its_latest_message,
        names_and_waiting_receipts_are_removed_in_time,
        receipts_beside_checks_approve_nothing_and_are_told_once,
    }
    steps {
        a_step_is_claimed_when_it_is_due_and_taken_once,
        a_moved_test_clock_makes_the_steps_of_its_project_due,
        a_step_that_is_put_back_is_claimed_again,
        parallel_steps_and_resends_stay_within_the_cap,
    }
}
