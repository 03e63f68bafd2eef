// Shows a message when the app cannot start. ES5, because old browsers have to run it.
(function () {
  'use strict';

  function show() {
    var message = document.getElementById('not-started');
    // The app removes this element when it starts, and then reports errors itself.
    if (message) message.hidden = false;
  }

  function checkFeatures() {
    var modules = 'noModule' in document.createElement('script');
    if (!modules || typeof WebAssembly !== 'object' || typeof BigInt === 'undefined') show();
  }

  window.addEventListener('error', show, true);
  window.addEventListener('unhandledrejection', show);
  if (document.readyState === 'loading') {
    document.addEventListener('DOMContentLoaded', checkFeatures);
  } else {
    checkFeatures();
  }
})();
