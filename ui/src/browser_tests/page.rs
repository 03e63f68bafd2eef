//! The stored language, and the driver for the app.

use std::{cell::RefCell, rc::Rc};

use hutong_core::{
    Command, ViewUpdate,
    host_messages::{HostToPage, PageToHost},
};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_test::wasm_bindgen_test;
use yew::Callback;

use super::call_sides::Inbox;
use crate::{dom, driver, i18n::Language};

#[wasm_bindgen_test]
fn the_chosen_language_is_stored_and_set_on_the_page() {
    for language in Language::ALL {
        language.store();
        assert_eq!(Language::current(), language);
        language.apply_to_page();
        let root = dom::window().unwrap().document().unwrap().document_element().unwrap();
        assert_eq!(root.get_attribute("lang").as_deref(), Some(language.tag()));
    }
    dom::local_storage().unwrap().clear().unwrap();
}

#[wasm_bindgen_test]
async fn requests_to_the_app_are_sent_one_at_a_time_and_its_messages_are_reordered() {
    let requests: Rc<Inbox<(String, Function)>> = Inbox::new();
    let on_message: Rc<RefCell<Option<Function>>> = Rc::default();
    let internals = Object::new();
    let seen = requests.callback();
    let invoke = Closure::<dyn FnMut(String, JsValue) -> Promise>::new(move |command: String, arguments: JsValue| {
        let arguments = js_sys::JSON::stringify(&arguments).unwrap().as_string().unwrap();
        Promise::new(&mut |resolve, _| seen.emit((format!("{command} {arguments}"), resolve)))
    });
    let slot = Rc::clone(&on_message);
    let transform = Closure::<dyn FnMut(Function, bool) -> f64>::new(move |callback: Function, _: bool| {
        *slot.borrow_mut() = Some(callback);
        42.0
    });
    Reflect::set(&internals, &"invoke".into(), invoke.as_ref()).unwrap();
    Reflect::set(&internals, &"transformCallback".into(), transform.as_ref()).unwrap();
    let window: JsValue = dom::window().unwrap().into();
    Reflect::set(&window, &"__TAURI_INTERNALS__".into(), &internals).unwrap();

    let messages = Inbox::new();
    let driver = driver::create(messages.callback(), Callback::noop());
    Reflect::delete_property(window.unchecked_ref::<Object>(), &"__TAURI_INTERNALS__".into()).unwrap();
    assert!(driver.in_app());
    driver.start();
    driver.send(PageToHost::Command(Command::HangUp));
    driver.send(PageToHost::Command(Command::LogOut));

    let (request, done) = requests.next(Some).await;
    assert_eq!(request, r#"attach {"channel":"__CHANNEL__:42"}"#);
    assert!(requests.items.borrow().is_empty(), "the next request waits for this one");
    done.call0(&JsValue::NULL).unwrap();
    let (request, done) = requests.next(Some).await;
    assert_eq!(request, r#"from_ui {"input":{"to":"command","what":{"do":"hang_up"}}}"#);
    done.call0(&JsValue::NULL).unwrap();
    let (request, _) = requests.next(Some).await;
    assert_eq!(request, r#"from_ui {"input":{"to":"command","what":{"do":"log_out"}}}"#);

    let on_message = on_message.borrow().clone().unwrap();
    let roster = HostToPage::Show(ViewUpdate::Roster(vec![]));
    let notice = HostToPage::Show(ViewUpdate::Notice(None));
    for (index, message) in [(1, &notice), (0, &roster)] {
        let raw = Object::new();
        Reflect::set(&raw, &"index".into(), &index.into()).unwrap();
        Reflect::set(&raw, &"message".into(), &dom::to_js(message).unwrap()).unwrap();
        on_message.apply(&JsValue::NULL, &Array::of1(&raw)).unwrap();
    }
    assert_eq!(messages.next(Some).await, roster);
    assert_eq!(messages.next(Some).await, notice);
}
