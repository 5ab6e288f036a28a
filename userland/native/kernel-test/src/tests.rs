//! The tests, in the order in which they run.

mod capabilities;
mod endings;
mod faults;
mod foreign;
mod foreign_threads;
mod interrupts;
mod memory;
mod messages;
mod notifications;
mod registers;

use crate::Outcome;
use crate::world::World;

type Test = fn(&mut World) -> Outcome;

/// Name and function of each test.
pub const ALL: &[(&str, Test)] = &[
    ("retype_gives_objects_and_takes_memory", capabilities::retype_gives_objects_and_takes_memory),
    ("retype_refuses_what_does_not_fit", capabilities::retype_refuses_what_does_not_fit),
    ("copies_have_no_more_rights", capabilities::copies_have_no_more_rights),
    ("badges_are_given_once", capabilities::badges_are_given_once),
    ("revoke_removes_all_descendants", capabilities::revoke_removes_all_descendants),
    ("moved_capabilities_keep_their_children", capabilities::moved_capabilities_keep_their_children),
    ("untyped_is_reused_after_revoke", capabilities::untyped_is_reused_after_revoke),
    ("port_ranges_shrink_only", capabilities::port_ranges_shrink_only),
    ("mapped_memory_is_the_memory", memory::mapped_memory_is_the_memory),
    ("windows_are_kept", memory::windows_are_kept),
    ("write_and_execute_exclude_each_other", memory::write_and_execute_exclude_each_other),
    ("other_attachments_pages_are_not_replaced", memory::other_attachments_pages_are_not_replaced),
    ("large_pages_are_whole", memory::large_pages_are_whole),
    ("tables_return_to_the_pool", memory::tables_return_to_the_pool),
    ("out_of_tables_can_be_repeated", memory::out_of_tables_can_be_repeated),
    ("revoked_memory_is_unmapped", memory::revoked_memory_is_unmapped),
    ("a_call_is_answered", messages::a_call_is_answered),
    ("long_messages_arrive", messages::long_messages_arrive),
    ("capabilities_travel", messages::capabilities_travel),
    ("senders_wait_for_a_receiver", messages::senders_wait_for_a_receiver),
    ("an_idle_reply_answers_nobody", messages::an_idle_reply_answers_nobody),
    ("a_destroyed_reply_fails_the_call", messages::a_destroyed_reply_fails_the_call),
    ("a_destroyed_endpoint_fails_its_senders", messages::a_destroyed_endpoint_fails_its_senders),
    ("passive_servers_run_on_donated_time", messages::passive_servers_run_on_donated_time),
    ("bits_accumulate", notifications::bits_accumulate),
    ("a_waiter_is_woken", notifications::a_waiter_is_woken),
    ("bound_notifications_reach_receivers", notifications::bound_notifications_reach_receivers),
    ("timers_signal", notifications::timers_signal),
    ("timers_signal_in_order_of_time", notifications::timers_signal_in_order_of_time),
    ("equal_priorities_share_the_processor", notifications::equal_priorities_share_the_processor),
    ("higher_priorities_run_first", notifications::higher_priorities_run_first),
    ("a_page_fault_is_told_and_resumed", faults::a_page_fault_is_told_and_resumed),
    ("kernel_memory_is_out_of_reach", faults::kernel_memory_is_out_of_reach),
    ("ports_are_out_of_reach", faults::ports_are_out_of_reach),
    ("the_fpu_must_be_declared", faults::the_fpu_must_be_declared),
    ("unknown_calls_are_faults", faults::unknown_calls_are_faults),
    ("stopped_threads_repeat_their_call", faults::stopped_threads_repeat_their_call),
    ("foreign_calls_exit", foreign::foreign_calls_exit),
    ("foreign_faults_exit", foreign::foreign_faults_exit),
    ("kicks_are_latched", foreign::kicks_are_latched),
    ("kicks_stop_running_foreign_code", foreign::kicks_stop_running_foreign_code),
    ("hostile_state_pages_are_refused", foreign::hostile_state_pages_are_refused),
    ("fixups_resume_the_master", foreign::fixups_resume_the_master),
    ("a_thread_outlives_its_table", endings::a_thread_outlives_its_table),
    ("a_table_can_be_revoked_from_inside", endings::a_table_can_be_revoked_from_inside),
    ("destroyed_threads_leave_an_endpoint", endings::destroyed_threads_leave_an_endpoint),
    ("destroyed_threads_leave_a_notification", endings::destroyed_threads_leave_a_notification),
    ("a_thread_without_vspace_waits_for_one", endings::a_thread_without_vspace_waits_for_one),
    ("destroyed_vspaces_stop_their_threads", endings::destroyed_vspaces_stop_their_threads),
    ("a_thread_can_delete_itself", endings::a_thread_can_delete_itself),
    ("long_revocations_let_others_run", endings::long_revocations_let_others_run),
    ("memory_is_reused_when_its_last_user_is_gone", endings::memory_is_reused_when_its_last_user_is_gone),
    ("time_is_bound_once", endings::time_is_bound_once),
    ("message_vectors_are_given_once", interrupts::message_vectors_are_given_once),
    ("message_vectors_run_out_and_come_back", interrupts::message_vectors_run_out_and_come_back),
    ("interrupt_lines_have_one_owner", interrupts::interrupt_lines_have_one_owner),
    ("interrupts_want_a_right_to_signal", interrupts::interrupts_want_a_right_to_signal),
    ("interrupts_signal_until_unbound", interrupts::interrupts_signal_until_unbound),
    ("foreign_code_can_be_stepped", foreign::foreign_code_can_be_stepped),
    ("forbidden_instructions_exit", foreign::forbidden_instructions_exit),
    ("fpu_state_is_each_threads_own", registers::fpu_state_is_each_threads_own),
    ("foreign_registers_are_kept", registers::foreign_registers_are_kept),
    ("foreign_segment_bases_survive_others", registers::foreign_segment_bases_survive_others),
    ("foreign_threads_calls_are_messages", foreign_threads::foreign_threads_calls_are_messages),
    ("foreign_threads_faults_are_messages", foreign_threads::foreign_threads_faults_are_messages),
    ("foreign_threads_registers_are_kept", foreign_threads::foreign_threads_registers_are_kept),
    ("foreign_threads_can_be_kicked", foreign_threads::foreign_threads_can_be_kicked),
    ("hostile_registers_are_refused", foreign_threads::hostile_registers_are_refused),
    ("foreign_threads_need_a_legacy_view", foreign_threads::foreign_threads_need_a_legacy_view),
    ("unanswered_foreign_threads_stop", foreign_threads::unanswered_foreign_threads_stop),
    ("foreign_threads_use_their_handlers_fpu_state", foreign_threads::foreign_threads_use_their_handlers_fpu_state),
    ("foreign_threads_without_fpu_fault", foreign_threads::foreign_threads_without_fpu_fault),
];
