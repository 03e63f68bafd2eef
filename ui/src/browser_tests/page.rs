//! What the page remembers, and how it speaks to the app around it.

use std::{cell::RefCell, rc::Rc};

use hutong_core::{
    Command, Update,
    app::{FromUi, ToUi},
};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_test::wasm_bindgen_test;

use super::sides::Inbox;
use crate::{dom, driver, i18n::Language};

#[wasm_bindgen_test]
fn the_chosen_language_is_remembered_and_marks_the_page() {
    for language in Language::ALL {
        language.remember();
        assert_eq!(Language::of_this_person(), language);
        language.mark_page();
        let root = dom::window().unwrap().document().unwrap().document_element().unwrap();
        assert_eq!(root.get_attribute("lang").as_deref(), Some(language.tag()));
    }
    dom::local_storage().unwrap().clear().unwrap();
}

#[wasm_bindgen_test]
async fn the_app_is_spoken_to_one_request_at_a_time_and_heard_in_order() {
    let requests: Rc<Inbox<(String, Function)>> = Inbox::new();
    let hear: Rc<RefCell<Option<Function>>> = Rc::default();
    let internals = Object::new();
    let seen = requests.callback();
    let invoke = Closure::<dyn FnMut(String, JsValue) -> Promise>::new(move |command: String, arguments: JsValue| {
        let said = js_sys::JSON::stringify(&arguments).unwrap().as_string().unwrap();
        Promise::new(&mut |resolve, _| seen.emit((format!("{command} {said}"), resolve)))
    });
    let slot = Rc::clone(&hear);
    let transform = Closure::<dyn FnMut(Function, bool) -> f64>::new(move |callback: Function, _: bool| {
        *slot.borrow_mut() = Some(callback);
        42.0
    });
    Reflect::set(&internals, &"invoke".into(), invoke.as_ref()).unwrap();
    Reflect::set(&internals, &"transformCallback".into(), transform.as_ref()).unwrap();
    let window: JsValue = dom::window().unwrap().into();
    Reflect::set(&window, &"__TAURI_INTERNALS__".into(), &internals).unwrap();

    let heard = Inbox::new();
    let driver = driver::make(heard.callback());
    Reflect::delete_property(window.unchecked_ref::<Object>(), &"__TAURI_INTERNALS__".into()).unwrap();
    assert!(driver.in_app());
    driver.begin();
    driver.send(FromUi::Command(Command::HangUp));
    driver.send(FromUi::Command(Command::LogOut));

    let (request, done) = requests.next(Some).await;
    assert_eq!(request, r#"attach {"channel":"__CHANNEL__:42"}"#);
    assert!(requests.things.borrow().is_empty(), "the next waits for this one's end");
    done.call0(&JsValue::NULL).unwrap();
    let (request, done) = requests.next(Some).await;
    assert_eq!(request, r#"from_ui {"input":{"to":"command","what":{"do":"hang_up"}}}"#);
    done.call0(&JsValue::NULL).unwrap();
    let (request, _) = requests.next(Some).await;
    assert_eq!(request, r#"from_ui {"input":{"to":"command","what":{"do":"log_out"}}}"#);

    let hear = hear.borrow().clone().unwrap();
    let roster = ToUi::Show(Update::Roster(vec![]));
    let notice = ToUi::Show(Update::Notice(None));
    for (index, message) in [(1, &notice), (0, &roster)] {
        let raw = Object::new();
        Reflect::set(&raw, &"index".into(), &index.into()).unwrap();
        Reflect::set(&raw, &"message".into(), &dom::to_js(message).unwrap()).unwrap();
        hear.apply(&JsValue::NULL, &Array::of1(&raw)).unwrap();
    }
    assert_eq!(heard.next(Some).await, roster);
    assert_eq!(heard.next(Some).await, notice);
}
