SELECT pg_catalog.set_config('search_path', '', false);
DROP TABLE public.shipping_rates;
DROP TABLE public.shipping_zones;
