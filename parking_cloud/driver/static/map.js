// The city's map: district outlines and facilities, drawn without tiles unless a tile server is set.
import * as L from "/assets/vendor/leaflet/leaflet-src.esm.js";
import { load } from "./words.js";

export class CityMap {
  constructor(id, { tiles, onPick, onChoose }) {
    this.onChoose = onChoose;
    this.markers = new Map();
    this.map = L.map(id, { zoomControl: true, attributionControl: false, minZoom: 8, maxZoom: 18 });
    this.map.setView([30.8693, 120.0965], 13);
    if (tiles) L.tileLayer(tiles).addTo(this.map);
    this.map.on("click", (event) => onPick({ lat: event.latlng.lat, lon: event.latlng.lng }));
    this.ready = this.drawOutlines().then(() => (tiles ? undefined : this.drawRoads()));
  }

  async drawOutlines() {
    const answer = await fetch("/v1/geo/outlines");
    if (!answer.ok) return;
    const english = document.body.dataset.language === "en";
    L.geoJSON(await answer.json(), {
      interactive: false,
      style: { color: "#7fa39d", weight: 1.5, fillColor: "#ffffff", fillOpacity: 0.75 },
      onEachFeature: (feature) => {
        const { centre, name, name_en: nameEn } = feature.properties;
        const label = english ? nameEn : name;
        this.label([centre[1], centre[0]], label, "district");
      },
    }).addTo(this.map);
  }

  async drawRoads() {
    const answer = await fetch("/v1/geo/roads");
    if (!answer.ok) return;
    L.geoJSON(await answer.json(), {
      interactive: false,
      style: ({ properties }) => (properties.class === "trunk"
        ? { color: "#e6cf9a", weight: 5, opacity: 0.9 }
        : { color: "#cfd9d7", weight: 6, opacity: 1 }),
      onEachFeature: ({ properties }, layer) => {
        if (properties.class === "street") {
          this.label(layer.getLatLngs().at(-1), properties.name, "district road");
        }
      },
    }).addTo(this.map);
    this.map.on("zoomend", () => this.thinLabels());
    this.thinLabels();
  }

  // Beneath the markers, so that a name never hides a number.
  label(where, text, className) {
    L.tooltip({ permanent: true, direction: "center", className, pane: "overlayPane" })
      .setLatLng(where).setContent(text).addTo(this.map);
  }

  // Road names only where they do not lie on top of one another.
  thinLabels() {
    this.map.getContainer().classList.toggle("far", this.map.getZoom() < 13);
  }

  show(facilities, here) {
    const wanted = new Set(facilities.map((f) => f.id));
    for (const [id, marker] of this.markers) {
      if (!wanted.has(id)) { marker.remove(); this.markers.delete(id); }
    }
    for (const facility of facilities) this.update(facility, true);
    this.place ??= L.circleMarker([here.lat, here.lon], { radius: 7, color: "#fff", weight: 3, fillColor: "#1a5fd0", fillOpacity: 1, interactive: false }).addTo(this.map);
    this.place.setLatLng([here.lat, here.lon]).bringToFront();
  }

  update(facility, add = false) {
    if (!facility.position) return;
    const marker = this.markers.get(facility.id);
    if (marker) marker.setIcon(icon(facility));
    else if (add) this.add(facility);
    if (this.chosen === facility.id) this.mark();
  }

  add(facility) {
    const marker = L.marker([facility.position.lat, facility.position.lon], {
      icon: icon(facility), title: facility.name, alt: facility.name, keyboard: true,
    });
    marker.on("click", () => this.onChoose(facility.id));
    marker.addTo(this.map);
    this.markers.set(facility.id, marker);
  }

  choose(facility) {
    this.markers.get(this.chosen)?.getElement()?.classList.remove("chosen");
    this.chosen = facility?.id;
    if (!facility) return;
    this.goTo(facility.position);
    this.mark();
  }

  mark() {
    this.markers.get(this.chosen)?.getElement()?.classList.add("chosen");
  }

  goTo({ lat, lon }) {
    this.map.panTo([lat, lon]);
  }
}

function icon(facility) {
  const size = facility.capacity > 200 ? 38 : facility.capacity > 60 ? 32 : 27;
  const text = facility.free ?? "?";
  const made = L.divIcon({ className: "marker", iconSize: [size, size], html: String(text) });
  const create = made.createIcon.bind(made);
  made.createIcon = (old) => {
    const element = create(old);
    element.dataset.load = load(facility);
    return element;
  };
  return made;
}
