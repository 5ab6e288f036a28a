//! The personality as a task: Linux for its programs.
#![cfg_attr(target_os = "none", no_std, no_main)]

rt::entry!(main);

fn main(env: &rt::Env) {
    personality_server::run(env);
}
