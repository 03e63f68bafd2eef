// Says so where the app cannot start. Written for the oldest browsers: it is the one file that they can read.
(function () {
  'use strict';

  function show() {
    var sentence = document.getElementById('not-started');
    // Once the app has started the sentence is gone, and what fails then is told by the app.
    if (sentence) sentence.hidden = false;
  }

  function whenRead() {
    var modules = 'noModule' in document.createElement('script');
    if (!modules || typeof WebAssembly !== 'object' || typeof BigInt === 'undefined') show();
  }

  window.addEventListener('error', show, true);
  window.addEventListener('unhandledrejection', show);
  if (document.readyState === 'loading') {
    document.addEventListener('DOMContentLoaded', whenRead);
  } else {
    whenRead();
  }
})();
