//! The `interface!` macro and its helpers for the types that travel.

/// Describes a contract once.
///
/// ```
/// ipc::errors! {
///     /// Why a greeting failed.
///     pub enum GreetError {
///         /// Nobody of that name is there.
///         Unknown = 1,
///     }
/// }
///
/// ipc::interface! {
///     /// Greets.
///     pub trait Greeter(client GreeterClient, handler GreeterHandler, dispatcher GreeterDispatcher) = 0x7f01 {
///         /// Says hello to `name`.
///         1 => fn greet(&self, name: &str) -> Result<u64, GreetError>;
///     }
/// }
///
/// struct Server;
/// impl GreeterHandler for Server {
///     fn greet(
///         &mut self,
///         caller: ipc::Caller<'_, Result<u64, GreetError>>,
///         name: &str,
///     ) -> ipc::Answer<Result<u64, GreetError>> {
///         ipc::Answer::Now(if name == "nobody" { Err(GreetError::Unknown) } else { Ok(caller.badge()) })
///     }
/// }
///
/// let client = GreeterClient::new(ipc::Loopback::new(GreeterDispatcher(Server), 5));
/// assert_eq!(client.greet("you"), Ok(5));
/// assert_eq!(client.greet("nobody"), Err(GreetError::Unknown));
/// ```
///
/// * the trait is what users of the service are written against; whoever links the service implements it directly (and with
///   that for references and `Arc`s);
/// * the client implements it over any [`Transport`](crate::Transport), by default an endpoint;
/// * the handler is the same contract for a server: it learns who asks, and may answer later;
/// * the dispatcher makes a [`Dispatch`](crate::Dispatch) of a handler, for [`Server`](crate::Server);
/// * [`Shared`](crate::Shared) and [`PerCaller`](crate::PerCaller) make a handler of what implements the trait.
///
/// A capability that is an argument of the *trait* is lent: whoever wants to keep it makes a copy. So a call means the same
/// whether the service is here or elsewhere. (A *handler* owns what arrives, as [`Capability`](crate::Capability) says.)
///
/// Numbers are explicit and never reused. Arguments and results are types with [`Encode`](crate::Encode) and
/// [`Decode`](crate::Decode); every method returns a `Result` whose error has a `From<Failure>` (see
/// [`errors!`](crate::errors)).
#[macro_export]
macro_rules! interface {
    (
        $(#[$trait_doc:meta])*
        pub trait $name:ident(client $client:ident, handler $handler:ident, dispatcher $dispatcher:ident) = $number:literal {
            $(
                $(#[$doc:meta])*
                $method_number:literal => fn $method:ident(&self $(, $argument:ident : $type:ty)* $(,)?)
                    -> Result<$ok:ty, $error:ty>;
            )*
        }
    ) => {
        $(#[$trait_doc])*
        pub trait $name: Send + Sync {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// The service's own, or that the call itself failed.
                fn $method(&self $(, $argument: $type)*) -> Result<$ok, $error>;
            )*
        }

        impl<T: $name + ?Sized> $name for &T {
            $(
                fn $method(&self $(, $argument: $type)*) -> Result<$ok, $error> {
                    T::$method(self $(, $argument)*)
                }
            )*
        }

        impl<T: $name + ?Sized> $name for $crate::private::Arc<T> {
            $(
                fn $method(&self $(, $argument: $type)*) -> Result<$ok, $error> {
                    T::$method(self $(, $argument)*)
                }
            )*
        }

        #[doc = concat!("A [`", stringify!($name), "`] that is somewhere else.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $client<T = $crate::private::Cap<$crate::private::Endpoint>> {
            transport: T,
        }

        impl<T> $client<T> {
            /// A client over `transport`.
            pub const fn new(transport: T) -> Self {
                Self { transport }
            }

            /// What it calls through.
            pub const fn transport(&self) -> &T {
                &self.transport
            }
        }

        impl $client {
            /// Names, for traces.
            pub const DESCRIPTION: $crate::Description = $crate::Description {
                name: stringify!($name),
                number: $number,
                methods: &[$(($method_number, stringify!($method))),*],
            };
        }

        const _: () = assert!($client::DESCRIPTION.numbers_are_distinct(), "a method number is used twice");

        impl<T: $crate::Transport + Send + Sync> $name for $client<T> {
            $(
                fn $method(&self $(, $argument: $type)*) -> Result<$ok, $error> {
                    const WORDS: usize = $crate::wire::max(
                        0 $(+ <$type as $crate::Encode>::MAX_WORDS)*,
                        <Result<$ok, $error> as $crate::Encode>::MAX_WORDS,
                    );
                    let mut words = [0u64; WORDS];
                    let label = $crate::label($number, $method_number);
                    let result = $crate::call(&self.transport, label, &mut words, |_encoder| {
                        $($crate::Encode::encode(&$argument, _encoder);)*
                    });
                    result.unwrap_or_else(|failure| Err(<$error>::from(failure)))
                }
            )*
        }

        #[doc = concat!("The server's side of [`", stringify!($name), "`].")]
        pub trait $handler {
            /// Whose the capabilities are that come with requests.
            const LENDING: $crate::Lending = $crate::Lending::Given;

            $(
                $(#[$doc])*
                fn $method(
                    &mut self,
                    caller: $crate::Caller<'_, Result<$ok, $error>>
                    $(, $argument: $type)*
                ) -> $crate::Answer<Result<$ok, $error>>;
            )*

            /// Handles events of the server's notification: bits as given to [`Server::event`]($crate::Server::event).
            fn notified(&mut self, bits: u64) {
                let _ = bits;
            }
        }

        impl<T: $name + ?Sized> $handler for $crate::Shared<T> {
            const LENDING: $crate::Lending = $crate::Lending::Lent;

            $(
                fn $method(
                    &mut self,
                    _: $crate::Caller<'_, Result<$ok, $error>>
                    $(, $argument: $type)*
                ) -> $crate::Answer<Result<$ok, $error>> {
                    $crate::Answer::Now($name::$method(&*self.0 $(, $argument)*))
                }
            )*
        }

        impl<F: FnMut(u64) -> T, T: $name> $handler for $crate::PerCaller<F> {
            const LENDING: $crate::Lending = $crate::Lending::Lent;

            $(
                fn $method(
                    &mut self,
                    caller: $crate::Caller<'_, Result<$ok, $error>>
                    $(, $argument: $type)*
                ) -> $crate::Answer<Result<$ok, $error>> {
                    $crate::Answer::Now($name::$method(&(self.0)(caller.badge()) $(, $argument)*))
                }
            )*
        }

        #[doc = concat!("Turns messages into calls of a [`", stringify!($handler), "`].")]
        #[derive(Debug)]
        pub struct $dispatcher<H>(pub H);

        impl<H: $handler> $crate::Dispatch for $dispatcher<H> {
            const CAPS: usize = {
                let mut most = 0;
                $(most = $crate::wire::max(most, 0 $(+ <$type as $crate::Encode>::CAPS)*);)*
                most
            };

            fn dispatch(&mut self, request: $crate::Request<'_>, response: &mut $crate::Response) -> $crate::Outcome {
                let lending = H::LENDING;
                match $crate::split_label(request.label) {
                    $(
                        ($number, $method_number) => $crate::dispatch_one(
                            request,
                            response,
                            lending,
                            |_decoder| Ok(($(<$type as $crate::Decode<'_>>::decode(_decoder)?,)*)),
                            |caller, ($($argument,)*)| self.0.$method(caller $(, $argument)*),
                        ),
                    )*
                    _ => response.refuse($crate::status::UNKNOWN_METHOD),
                }
            }

            fn notified(&mut self, bits: u64) {
                self.0.notified(bits);
            }
        }
    };
}

/// Declares a service's errors: an enum with explicit, non-zero numbers, and one more variant, `Call`, for a call that
/// itself failed.
#[macro_export]
macro_rules! errors {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// The call itself failed.
            Call($crate::Failure),
        }

        impl $crate::Encode for $name {
            const MAX_WORDS: usize = 1;
            fn encode(&self, out: &mut $crate::wire::Encoder<'_>) {
                out.word(match self {
                    $(Self::$variant => const { assert!($number != 0); $number },)*
                    // A server that failed because a server of its own failed: the caller learns that much.
                    Self::Call(_) => u64::MAX,
                });
            }
        }

        impl<'m> $crate::Decode<'m> for $name {
            fn decode(input: &mut $crate::wire::Decoder<'m>) -> Result<Self, $crate::Malformed> {
                match input.word()? {
                    $($number => Ok(Self::$variant),)*
                    u64::MAX => Ok(Self::Call($crate::Failure::Abandoned)),
                    _ => Err($crate::Malformed),
                }
            }
        }

        impl From<$crate::Failure> for $name {
            fn from(failure: $crate::Failure) -> Self {
                Self::Call(failure)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    Self::Call(failure) => failure.fmt(f),
                    own => core::fmt::Debug::fmt(own, f),
                }
            }
        }
    };
}

/// Declares an enum with explicit numbers that can travel as one word.
#[macro_export]
macro_rules! numbered {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $crate::Encode for $name {
            const MAX_WORDS: usize = 1;
            fn encode(&self, out: &mut $crate::wire::Encoder<'_>) {
                out.word(*self as u64);
            }
        }

        impl<'m> $crate::Decode<'m> for $name {
            fn decode(input: &mut $crate::wire::Decoder<'m>) -> Result<Self, $crate::Malformed> {
                match input.word()? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err($crate::Malformed),
                }
            }
        }
    };
}

/// Declares a struct that can travel: its fields in order.
#[macro_export]
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident : $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::Encode for $name {
            const MAX_WORDS: usize = 0 $(+ <$type as $crate::Encode>::MAX_WORDS)*;
            const CAPS: usize = 0 $(+ <$type as $crate::Encode>::CAPS)*;
            fn encode(&self, out: &mut $crate::wire::Encoder<'_>) {
                $(self.$field.encode(out);)*
            }
        }

        impl<'m> $crate::Decode<'m> for $name {
            fn decode(input: &mut $crate::wire::Decoder<'m>) -> Result<Self, $crate::Malformed> {
                Ok(Self { $($field: $crate::Decode::decode(input)?,)* })
            }
        }
    };
}
