// Wakes every player on the page that still sleeps: no identifiers, so none can clash.
document.querySelectorAll(".asr-captions:not([data-awake])").forEach(function (box) {
  box.dataset.awake = "";
  var sound = box.querySelector("audio"), caption = box.querySelector(".asr-caption");
  var list = box.querySelector("ol");
  var items = Array.from(box.querySelectorAll("li"), function (item) {
    var button = document.createElement("button");
    button.type = "button";
    button.append.apply(button, Array.from(item.childNodes));
    item.append(button);
    var found = {button: button, start: +item.dataset.start, end: +item.dataset.end};
    found.text = button.querySelector(".asr-text").textContent;
    button.addEventListener("click", function () { sound.currentTime = found.start; sound.play(); });
    return found;
  });
  var shown = null;
  function follow() {
    var time = sound.currentTime + 0.01, now = null;
    items.forEach(function (item) { if (item.start <= time && time < item.end) now = item; });
    if (now === shown) return;
    if (shown) shown.button.removeAttribute("aria-current");
    shown = now;
    caption.textContent = now ? now.text : "";
    if (!now) return;
    now.button.setAttribute("aria-current", "true");
    var top = now.button.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - now.button.offsetHeight)
      list.scrollTop = top - 20;
  }
  function frame() { follow(); if (!sound.paused) requestAnimationFrame(frame); }
  sound.addEventListener("play", frame);
  sound.addEventListener("timeupdate", follow);
  sound.addEventListener("seeked", follow);
});
