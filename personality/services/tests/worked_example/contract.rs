//! Step 1: the contract. A real one lies in `native-servers/interfaces`, and its number is the next free one there.

ipc::errors! {
    /// Why there is no ticket.
    pub enum TicketError {
        /// This incarnation was not told where to begin.
        NotBegun = 1,
        /// It was told already.
        Begun = 2,
    }
}

ipc::interface! {
    /// Hands out tickets: numbers, each of them once.
    pub trait Tickets(client TicketsClient, handler TicketsHandler, dispatcher TicketsDispatcher) = 0x7f03 {
        /// Makes `next` the first ticket of this incarnation.
        1 => fn begin(&self, next: u64) -> Result<(), TicketError>;
        /// A ticket.
        2 => fn take(&self) -> Result<u64, TicketError>;
        /// Ends the incarnation; the ticket that the next one is to begin with.
        3 => fn retire(&self) -> Result<u64, TicketError>;
    }
}
